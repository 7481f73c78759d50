"""`wait`: wait until objects meet a condition, or until they are gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session
    from podraft.cli.sessions.waiting import Waited


@command("wait")
@click.argument("arguments", nargs=-1, metavar="KIND/NAME...|KIND", shell_complete=complete_targets)
@click.option(
    "--for",
    "what",
    required=True,
    metavar="condition=NAME[=STATUS]|delete",
    help="What to wait for: condition=Available, condition=Ready=false, delete.",
)
@click.option("-l", "--selector", default="", help="The objects with these labels.")
@click.option("--all", "everything", is_flag=True, help="All objects of the kind.")
@click.option("--timeout", "timeout_s", type=DURATION, default=30.0, help="How long. [30s]")
def wait(
    settings: Settings,
    arguments: tuple[str, ...],
    what: str,
    selector: str,
    everything: bool,
    timeout_s: float,
) -> None:
    """Wait for a condition of objects, or until they are deleted."""
    from podraft.cli.command_line.targets import parse_targets
    from podraft.cli.errors import CliError, usage
    from podraft.cli.sessions import reading
    from podraft.cli.sessions.connection import run
    from podraft.cli.sessions.gone import wait_until_gone
    from podraft.cli.sessions.waiting import Waited

    condition, status = parse_condition(what)
    targets = parse_targets(arguments)
    if not selector and not everything and any(target.name is None for target in targets):
        raise usage("name the objects, select them with -l, or say --all")

    async def body(session: Session) -> None:
        found = await reading.read(session, targets, reading.Query(session.namespace, selector))
        objects = [(one.kind, obj) for one in found for obj in one.objects]
        if not condition:
            goners = [
                (kind, obj.metadata.namespace, obj.metadata.name, obj.metadata.uid)
                for kind, obj in objects
            ]
            await wait_until_gone(session, goners, timeout_s)
            return
        reading.complain_of_missing(found, session.namespace)
        if not objects:
            raise CliError("no matching resources found")
        waited = [Waited(k, o.metadata.namespace, o.metadata.name) for k, o in objects]
        await _wait_all(session, waited, condition, status, timeout_s)

    run(settings, body)


def parse_condition(what: str) -> tuple[str, str]:
    """Return the condition and status of ``condition=Ready=True``; empty for ``delete``.

    Raises:
        CliError: The text is neither.
    """
    from podraft.cli.errors import usage

    if what == "delete":
        return "", ""
    word, _, rest = what.partition("=")
    condition, _, status = rest.partition("=")
    if word != "condition" or not condition:
        raise usage(f'--for: expected condition=NAME[=STATUS] or delete, got "{what}"')
    return condition, status or "True"


async def _wait_all(
    session: Session, waited: list[Waited], condition: str, status: str, timeout_s: float
) -> None:
    from podraft.cli.errors import CliError, shorten

    left = {one.key: "not looked at yet" for one in waited}
    try:
        async with asyncio.timeout(timeout_s or None), asyncio.TaskGroup() as group:
            for one in waited:
                group.create_task(_wait_one(session, one, condition, status, left))
    except TimeoutError:
        lines = [f"  {key}: {why}" for key, why in left.items()]
        what = f"{condition}={status}"
        raise CliError(
            f"timed out after {timeout_s:g}s waiting for {what}", *shorten(lines)
        ) from None
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None


async def _wait_one(
    session: Session, one: Waited, condition: str, status: str, left: dict[str, str]
) -> None:
    from podraft.cli.command_line.targets import word_of
    from podraft.cli.errors import CliError
    from podraft.cli.sessions.watching import states

    resource = session.client.resource(one.kind)
    async for objects in states(
        resource, one.namespace, field_selector=f"metadata.name={one.name}"
    ):
        obj = objects.get((one.namespace, one.name))
        if obj is None:
            raise CliError(f"{one.key} was deleted while it was waited for")
        now, why = _condition(obj, condition)
        if now.lower() == status.lower():
            left.pop(one.key)
            printing.say(f"{word_of(one.kind, one.name)} condition met")
            return
        left[one.key] = f"{condition} is {now or 'not known'}{why}"


def _condition(obj: Any, name: str) -> tuple[str, str]:
    """Return a condition's status and the reason for it."""
    conditions = getattr(getattr(obj, "status", None), "conditions", ())
    for condition in conditions:
        if condition.type.lower() == name.lower():
            why = ": ".join(part for part in (condition.reason, condition.message) if part)
            return condition.status, f" ({why})" if why else ""
    return "", ""
