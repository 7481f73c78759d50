"""`apply`: make objects as the manifests say, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.manifests.items import Item
    from podraft.cli.plans.apply_plan import Action
    from podraft.cli.sessions.connection import Session

_TRIES_MAX = 4
_DRY = {"none": "", "client": " (dry run)", "server": " (server dry run)"}


@command("apply")
@click.option(
    "-f",
    "--filename",
    "names",
    multiple=True,
    required=True,
    metavar="FILE|DIR|-",
    help="A manifest, a directory of them, or - for standard input; may be repeated.",
)
@click.option("-R", "--recursive", is_flag=True, help="Look into directories of directories.")
@click.option(
    "--dry-run",
    type=click.Choice(["none", "client", "server"]),
    default="none",
    help="Only say what would happen; 'server' lets the API server check it.",
)
@click.option("-o", "--output", type=click.Choice(["name", "yaml", "json"]))
@click.option("--wait", "wait_for", is_flag=True, help="Wait until everything applied is running.")
@click.option(
    "--timeout", "timeout_s", type=DURATION, default=300.0, help="How long --wait waits. [5m]"
)
@click.option(
    "--ignore-unsupported",
    is_flag=True,
    help="Drop fields that podraft does not support, with a warning for each.",
)
def apply(
    settings: Settings,
    names: tuple[str, ...],
    recursive: bool,
    dry_run: str,
    output: str | None,
    wait_for: bool,
    timeout_s: float,
    ignore_unsupported: bool,
) -> None:
    """Make objects as the manifests say.

    All objects are written in one transaction: if one of them cannot be, none is.
    """
    from podraft.cli.manifests import service_names
    from podraft.cli.manifests.declared import read_items
    from podraft.cli.sessions.connection import run

    items = read_items(
        settings,
        names,
        "nothing was applied",
        recursive=recursive,
        ignore_unsupported=ignore_unsupported,
    )
    for warning in service_names.warnings(items):
        printing.warn(warning)

    async def body(session: Session) -> None:
        actions, stored = await commit(session, items, dry_run)
        _report(settings, actions, stored, output, _DRY[dry_run])
        if wait_for and dry_run == "none":
            from podraft.cli.sessions.waiting import Waited, wait_until_running

            waited = [Waited(a.item.kind, a.item.namespace, a.item.name) for a in actions]
            await wait_until_running(session, waited, timeout_s)

    run(settings, body)


async def commit(
    session: Session, items: Sequence[Item], dry_run: str
) -> tuple[list[Action], dict[int, Any]]:
    """Plan and write; plan anew when somebody else wrote in between."""
    from podraft.cli.manifests.declared import read_live
    from podraft.cli.plans import apply_plan
    from podraft.client.errors import AlreadyExistsError, ApiError, ConflictError, NotFoundError

    for attempt in range(1, _TRIES_MAX + 1):
        live = await read_live(session, items)
        actions = apply_plan.plan(zip(items, live, strict=True))
        writing = apply_plan.write_order(actions)
        if dry_run == "client" or not writing:
            return actions, dict(enumerate(live))
        writes = [action.write for action in writing if action.write is not None]
        try:
            response = await session.client.commit(writes, dry_run=dry_run == "server")
        except (AlreadyExistsError, ConflictError, NotFoundError) as error:
            if attempt == _TRIES_MAX or isinstance(error, NotFoundError):
                raise located(error, writing) from None
        except ApiError as error:
            raise located(error, writing) from None
        else:
            stored = dict(enumerate(live))
            position = {id(action): index for index, action in enumerate(actions)}
            for action, packed in zip(writing, response.objects, strict=False):
                stored[position[id(action)]] = action.item.kind.message.FromString(packed.value)
            return actions, stored
    raise AssertionError("the last try returns or raises")


def located(
    error: Any, writing: Sequence[Action], nothing: str = "nothing was applied"
) -> Exception:
    """Say in which file and line the object stands that the server refused."""
    import re

    from podraft.cli.errors import CliError, shorten

    lines = []
    for violation in error.violations:
        match = re.match(r"writes\[(\d+)\]\.?(.*)", violation.field)
        if match is None or int(match[1]) >= len(writing):
            lines.append(f"  {violation.field}: {violation.description}")
            continue
        item, path = writing[int(match[1])].item, _within_object(match[2])
        where = f"{path}: " if path else ""
        lines.append(f"  {item.at(path)}: {item.word}: {where}{violation.description}")
    # What is no fault of a field, an object that is there already, is told of the write as a whole.
    whole = re.match(r"writes\[(\d+)\]: (.*)", error.message or "", re.DOTALL)
    if not lines and whole is not None and int(whole[1]) < len(writing):
        item = writing[int(whole[1])].item
        lines.append(f"  {item.at()}: {item.word}: {whole[2]}")
    if not lines:
        return error if isinstance(error, Exception) else CliError(str(error))
    return CliError(nothing, *shorten(lines))


def _within_object(path: str) -> str:
    """Return a violation's path without the parts of the write that carried the object."""
    for prefix in ("create.object.", "update.object.", "patch.request.merge_patch.", "patch."):
        path = path.removeprefix(prefix)
    return path


def _report(
    settings: Settings,
    actions: Sequence[Action],
    stored: dict[int, Any],
    output: str | None,
    note: str,
) -> None:
    from podraft.cli.output import colour, documents

    if output in ("yaml", "json"):
        objects = [stored.get(i) or action.item.message for i, action in enumerate(actions)]
        value = documents.document_of(objects, single=True)
        printing.data(documents.render(value, output))
        return
    for action in actions:
        outcome = action.outcome
        shown = colour.paint_status(outcome, outcome) if settings.coloured() else outcome
        if output == "name":
            printing.data(f"{action.item.word}\n")
        else:
            printing.say(f"{action.item.word} {shown}{note}")
