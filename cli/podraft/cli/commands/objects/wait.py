"""`wait`: wait until objects are so, until they exist, or until they are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.choosing import choosing
from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.output_options import output_options
from podraft.cli.command_line.settings import Settings
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.cli.command_line.choosing import Choice
    from podraft.cli.command_line.targets import Target
    from podraft.cli.output.formats import Format
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.plans.waits import Wanted
    from podraft.cli.sessions.connection import Session
    from podraft.cli.sessions.waiting import Waited


@command("wait")
@click.argument("arguments", nargs=-1, metavar="KIND/NAME...|KIND", shell_complete=complete_targets)
@click.option(
    "--for",
    "texts",
    multiple=True,
    required=True,
    metavar="condition=NAME[=STATUS]|jsonpath={.PATH}[=VALUE]|create|delete",
    help="What to wait for; of several, all must hold at once.",
)
@choosing()
@click.option("--timeout", "timeout_s", type=DURATION, default=30.0, help="How long. [30s]")
@output_options()
def wait(
    settings: Settings,
    arguments: tuple[str, ...],
    texts: tuple[str, ...],
    choice: Choice,
    timeout_s: float,
    output: Format,
) -> None:
    """Wait until objects are so, until they exist, or until they are gone.

    \b
    podraft wait deploy/web --for=condition=Available --timeout=5m
    podraft wait pod/web --for=jsonpath='{.status.phase}'=Running
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.cli.errors import usage
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.plans.waits import ForCreation, ForDeletion, wanted_of
    from podraft.cli.sessions.connection import run
    from podraft.cli.sessions.writing.changing import with_words

    wanted = [wanted_of(text) for text in texts]
    if len(wanted) > 1 and any(isinstance(one, ForDeletion) for one in wanted):
        raise usage("--for=delete goes with nothing else")
    choice = with_words(choice, arguments)
    targets = choice.targets()
    outcomes = Outcomes(output, coloured=settings.coloured())
    if isinstance(wanted[0], ForDeletion):
        run(settings, lambda session: _gone(session, choice, targets, timeout_s))
        return
    creates = any(isinstance(one, ForCreation) for one in wanted)
    if creates and (choice.files or any(target.name is None for target in targets)):
        raise usage("--for=create: name the objects as KIND/NAME")

    async def body(session: Session) -> None:
        waited = (
            [_named(session, target) for target in targets]
            if creates
            else await _there(session, choice, targets)
        )
        await _wait_all(session, waited, wanted, timeout_s, outcomes, creates=creates)

    run(settings, body)


async def _gone(
    session: Session, choice: Choice, targets: Sequence[Target], timeout_s: float
) -> None:
    from podraft.cli.sessions.gone import wait_until_gone
    from podraft.cli.sessions.writing.changing import chosen

    goners = [
        (one.kind, obj.metadata.namespace, obj.metadata.name, obj.metadata.uid)
        for one in await chosen(session, choice, targets)
        for obj in one.objects
    ]
    await wait_until_gone(session, goners, timeout_s)


def _named(session: Session, target: Target) -> Waited:
    from podraft.cli.command_line.targets import name_of
    from podraft.cli.sessions.waiting import Waited

    namespace = session.namespace if target.kind.namespaced else ""
    return Waited(target.kind, namespace, name_of(target))


async def _there(session: Session, choice: Choice, targets: Sequence[Target]) -> list[Waited]:
    """Return the objects to wait for, all of which there are.

    Raises:
        CliError: There are none, or one is missing.
    """
    from podraft.cli.errors import CliError
    from podraft.cli.sessions import reading
    from podraft.cli.sessions.waiting import Waited
    from podraft.cli.sessions.writing.changing import chosen

    found = await chosen(session, choice, targets)
    reading.complain_of_missing(found, session.namespace)
    waited = [
        Waited(one.kind, obj.metadata.namespace, obj.metadata.name)
        for one in found
        for obj in one.objects
    ]
    if not waited:
        raise CliError("no matching resources found")
    return waited


async def _wait_all(
    session: Session,
    waited: Sequence[Waited],
    wanted: Sequence[Wanted],
    timeout_s: float,
    outcomes: Outcomes,
    *,
    creates: bool,
) -> None:
    from podraft.cli.errors import CliError, shorten
    from podraft.cli.plans.waits import shown

    left = {one.key: "not looked at yet" for one in waited}
    try:
        async with asyncio.timeout(timeout_s or None), asyncio.TaskGroup() as group:
            for one in waited:
                group.create_task(_wait_one(session, one, wanted, left, outcomes, creates=creates))
    except TimeoutError:
        lines = [f"  {key}: {why}" for key, why in left.items()]
        what = " and ".join(map(shown, wanted))
        raise CliError(
            f"timed out after {timeout_s:g}s waiting for {what}", *shorten(lines)
        ) from None
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None


async def _wait_one(
    session: Session,
    one: Waited,
    wanted: Sequence[Wanted],
    left: dict[str, str],
    outcomes: Outcomes,
    *,
    creates: bool,
) -> None:
    from podraft.cli.command_line.targets import word_of
    from podraft.cli.errors import CliError
    from podraft.cli.plans.waits import lacking
    from podraft.client.calls.following import states

    resource = session.client.resource(one.kind)
    selector = f"metadata.name={one.name}"
    async for objects in states(resource, one.namespace, field_selector=selector):
        obj: Any = objects.get((one.namespace, one.name))
        if obj is None and creates:
            left[one.key] = "does not exist"
            continue
        if obj is None:
            raise CliError(f"{one.key} was deleted while it was waited for")
        missing = [what for each in wanted if (what := lacking(each, obj))]
        if not missing:
            left.pop(one.key)
            outcomes.tell(word_of(one.kind, one.name), "condition met", obj)
            return
        left[one.key] = "; ".join(missing)
