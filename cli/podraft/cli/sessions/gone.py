"""Waiting until objects are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from podraft.api import kinds
from podraft.cli.command_line.targets import word_of
from podraft.cli.errors import CliError, shorten
from podraft.cli.kinds import view_of
from podraft.cli.output import printing
from podraft.cli.output.progress import ProgressView
from podraft.cli.sessions.connection import Session
from podraft.client.calls.following import states

# Kind, namespace, name and uid: an object of the same name with another uid is a new one.
Goner: TypeAlias = tuple[kinds.AnyKind, str, str, str]

# A wait that takes longer than this is reported in pipes and logs, too.
_SLOW_S = 3.0


async def wait_until_gone(session: Session, goners: Sequence[Goner], timeout_s: float) -> None:
    """Wait until none of the objects exists any more.

    Raises:
        CliError: The time is over; the message says what is left, and why.
    """
    groups: dict[tuple[kinds.AnyKind, str], dict[str, str]] = {}
    for kind, namespace, name, uid in goners:
        groups.setdefault((kind, namespace), {})[name] = uid
    left: dict[str, str] = {}
    settings = session.settings
    with ProgressView(live=settings.live(), coloured=settings.coloured()) as view:
        try:
            async with asyncio.timeout(timeout_s or None), asyncio.TaskGroup() as group:
                waits = [
                    group.create_task(_wait_group(session, kind, namespace, names, left, view))
                    for (kind, namespace), names in groups.items()
                ]
                if not view.live:
                    await _tell_when_slow(waits, left)
        except TimeoutError:
            lines = [f"  {word}: {why}" for word, why in left.items()]
            raise CliError(
                f"timed out after {timeout_s:g}s; not gone yet", *shorten(lines)
            ) from None
        except BaseExceptionGroup as group_error:
            raise group_error.exceptions[0] from None


async def _tell_when_slow(waits: Sequence[asyncio.Task[None]], left: dict[str, str]) -> None:
    """Print once which objects are left, for output on which progress is not drawn."""
    if not waits:
        return
    await asyncio.wait(waits, timeout=_SLOW_S)
    if not left:
        return
    word, why = next(iter(left.items()))
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    printing.say(f"waiting for {word}{more} to be gone: {why}", err=True)


async def _wait_group(
    session: Session,
    kind: kinds.AnyKind,
    namespace: str,
    names: dict[str, str],
    left: dict[str, str],
    view: ProgressView,
) -> None:
    selector = f"metadata.name={next(iter(names))}" if len(names) == 1 else ""
    resource = session.client.resource(kind)
    async for objects in states(resource, namespace, field_selector=selector):
        there = {}
        for name, uid in names.items():
            obj = objects.get((namespace, name))
            if obj is not None and obj.metadata.uid == uid:
                there[name] = obj
        for name in names:
            word = word_of(kind, name)
            if name in there:
                left[word] = view_of(kind).held_by(there[name])
            else:
                left.pop(word, None)
        if not there:
            _show(view, kind, namespace, "", done=True)
            return
        first = next(iter(there))
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        _show(view, kind, namespace, f"{first}{more}: {left[word_of(kind, first)]}", done=False)


def _show(
    view: ProgressView, kind: kinds.AnyKind, namespace: str, what: str, *, done: bool
) -> None:
    if not view.live:
        return  # The lines "… deleted" have said it; a slow wait is reported once.
    key = f"{kind.resource}/{namespace}"
    if done:
        view.show(key, f"{kind.resource} are gone", state="done")
    else:
        view.show(key, f"Waiting for {kind.resource} to be gone", detail=what)
