"""The changes between a moment and now, object by object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podraft.api import kinds
from podraft.api.characters import one_line
from podraft.cli.command_line.targets import Target, word_of
from podraft.cli.plans.differences import differences
from podraft.cli.sessions import reading
from podraft.cli.sessions.connection import Session
from podraft.cli.sessions.past import session_at


def everything() -> list[Target]:
    """Return what to compare when no objects are named: all but the ever-changing records."""
    return [Target(kind) for kind in kinds.BUILT_IN if kind.order is not kinds.Order.RECORDS]


async def lines_since(
    session: Session, at: str, targets: Sequence[Target], query: reading.Query, *, status: bool
) -> list[str]:
    """Return a line for each object created or removed since ``at``, and for each changed field."""
    then = await session_at(session, at, hash_secret_values=True)
    # Read all at one revision, with Secrets hashed as in the past.
    now = await session_at(session, "", hash_secret_values=True)
    before = await reading.read(then, targets, query)
    after = await reading.read(now, targets, query)
    lines: list[str] = []
    for old, new in zip(before, after, strict=True):
        lines += _of_kind(old, new, status=status)
    missing = [found for pair in zip(before, after, strict=True) for found in pair]
    if all(one.missing for one in missing):
        reading.complain_of_missing(before, query.namespace)
    return lines


def _of_kind(old: reading.Found, new: reading.Found, *, status: bool) -> list[str]:
    first, second = _by_name(old.objects), _by_name(new.objects)
    lines: list[str] = []
    for key in sorted({*first, *second}):
        before, after = first.get(key), second.get(key)
        word = word_of(old.kind, key[1])
        where = f" in {key[0]}" if key[0] else ""
        if before is None:
            lines.append(f"+ {word}{where} created")
        elif after is None:
            lines.append(f"- {word}{where} deleted")
        else:
            changed = differences(before, after, status=status)
            if changed:
                lines.append(f"~ {word}{where}")
                lines += [f"    {one_line(one.line())}" for one in changed]
    return lines


def _by_name(objects: Sequence[Any]) -> dict[tuple[str, str], Any]:
    return {(obj.metadata.namespace, obj.metadata.name): obj for obj in objects}
