"""`apply`: make objects match their manifests, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.manifest_options import apply_options, manifest_options
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.plans.apply_plan import Action
    from podraft.cli.sessions.connection import Session

_DRY = {"none": "", "client": " (dry run)", "server": " (server dry run)"}


@command("apply")
@manifest_options(required=True)
@apply_options
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
    help="Store fields that podraft does not act on, too, with a warning for each.",
)
def apply(
    settings: Settings,
    files: tuple[str, ...],
    recursive: bool,
    field_manager: str,
    force_conflicts: bool,
    dry_run: str,
    output: str | None,
    wait_for: bool,
    timeout_s: float,
    ignore_unsupported: bool,
) -> None:
    """Make objects as the manifests say.

    All objects are written in one transaction: if one of them cannot be, none is. What a manifest
    stated before and does not state any more is removed, unless others own it.
    """
    from podraft.cli.manifests import service_names
    from podraft.cli.manifests.declared import Place, read_items
    from podraft.cli.sessions.connection import namespace_of, run

    items = read_items(
        files,
        Place(settings.namespace, namespace_of(settings)),
        "nothing was applied",
        recursive=recursive,
        ignore_unsupported=ignore_unsupported,
    )
    for warning in service_names.warnings(items):
        printing.warn(warning)

    async def body(session: Session) -> None:
        from podraft.cli.plans.apply_plan import Terms
        from podraft.cli.sessions.applying import commit, read_live

        terms, live = Terms(field_manager, force_conflicts), await read_live(session, items)
        actions, stored = await commit(session, items, live, terms, dry_run)
        _report(settings, actions, stored, output, _DRY[dry_run])
        if wait_for and dry_run == "none":
            from podraft.cli.sessions.waiting import Waited, wait_until_running

            waited = [Waited(a.item.kind, a.item.namespace, a.item.name) for a in actions]
            await wait_until_running(session, waited, timeout_s)

    run(settings, body)


def _report(
    settings: Settings,
    actions: Sequence[Action],
    stored: Sequence[Any],
    output: str | None,
    note: str,
) -> None:
    from podraft.cli.output import colour, documents

    if output in ("yaml", "json"):
        pairs = zip(actions, stored, strict=True)
        objects = [action.item.message if obj is None else obj for action, obj in pairs]
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
