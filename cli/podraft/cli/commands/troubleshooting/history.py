"""`history`: who changed which field of an object, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podraft.cli.sessions.connection import Session

_LIMIT_MAX = 499
_LINES_MAX = 12
_VALUE_WIDTH = 48


@command("history")
@click.argument("argument", metavar="KIND/NAME", shell_complete=complete_targets)
@click.argument("also", nargs=-1, metavar="[NAME]")
@click.option(
    "--limit",
    type=click.IntRange(1, _LIMIT_MAX),
    default=50,
    help="Look at the newest so many versions. [50]",
)
@click.option("--status", is_flag=True, help="Show changes of the status, too.")
def history(
    settings: Settings, argument: str, also: tuple[str, ...], limit: int, status: bool
) -> None:
    """Show who changed which field of an object, and when, the newest first.

    The object need not exist any more. Of Secrets only keys and hashes are shown.

    \b
    podraft history deploy/web           podraft history pod web-1 --status
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.cli.command_line.targets import name_of, one_target
    from podraft.cli.errors import CliError
    from podraft.cli.output import tables
    from podraft.cli.sessions.connection import run

    target = one_target(argument, *also)
    name = name_of(target)

    async def body(session: Session) -> None:
        namespace = session.namespace if target.kind.namespaced else ""
        found = await session.client.object_history(target.kind, name, namespace, limit=limit + 1)
        if not found.versions:
            where = f" in namespace {namespace}" if namespace else ""
            raise CliError(f'{target.kind.resource} "{name}"{where}: nothing of it is kept')
        rows, hidden = _rows(found.versions, limit, session.now_s(), status=status)
        printing.text(tables.render(("REVISION", "AGE", "WHO", "CHANGE"), rows))
        if hidden:
            printing.say(f"({hidden} more changed only the status: --status shows them)", err=True)
        if found.more or len(found.versions) > limit:
            printing.say("(older versions are kept: --limit shows more)", err=True)

    run(settings, body)


def _rows(
    versions: Sequence[Any], limit: int, now_s: float, *, status: bool
) -> tuple[list[tuple[str, ...]], int]:
    from podraft.api.columns import ages

    rows: list[tuple[str, ...]] = []
    hidden = 0
    for index, version in enumerate(versions[:limit]):
        older = versions[index + 1] if index + 1 < len(versions) else None
        lines = _changes(version, older, status=status)
        if not lines:
            hidden += 1
            continue
        age = ages.UNKNOWN
        if version.time is not None:
            age = ages.human_duration(now_s - version.time.timestamp())
        who = version.user or ("(server)" if version.time is not None else ages.UNKNOWN)
        first = (str(version.revision), age, who)
        for number, line in enumerate(lines):
            rows.append((*(first if number == 0 else ("", "", "")), line))
    return rows, hidden


def _changes(version: Any, older: Any, *, status: bool) -> list[str]:
    """Return a line for each field that a version changed; status only if ``status`` is set."""
    from podraft.cli.plans.differences import differences

    if version.operation != "updated":
        return [version.operation]
    if older is None or older.object is None:
        return ["(the oldest version that is kept)"]
    changed = differences(older.object, version.object, status=status)
    lines = [difference.line(_VALUE_WIDTH) for difference in changed[:_LINES_MAX]]
    if len(changed) > _LINES_MAX:
        lines.append(f"… and {len(changed) - _LINES_MAX} more fields")
    return lines
