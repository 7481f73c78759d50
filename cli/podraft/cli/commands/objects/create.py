"""`create`: make objects that must not exist yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.manifest_options import manifest_options
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session


@command("create")
@manifest_options(required=True)
@click.option(
    "--dry-run",
    type=click.Choice(["none", "server"]),
    default="none",
    help="'server' lets the API server check it; nothing is written.",
)
@click.option("--ignore-unsupported", is_flag=True, help="Warn of unsupported fields, as apply.")
def create(
    settings: Settings,
    files: tuple[str, ...],
    recursive: bool,
    dry_run: str,
    ignore_unsupported: bool,
) -> None:
    """Make objects; if one of them is there already, none is made.

    The same as apply for objects that are not there, and later changed by apply, too.
    """
    from podraft.cli.manifests import service_names
    from podraft.cli.manifests.declared import Place, read_items
    from podraft.cli.plans import apply_plan
    from podraft.cli.sessions.connection import namespace_of, run

    items = read_items(
        files,
        Place(settings.namespace, namespace_of(settings)),
        "nothing was created",
        recursive=recursive,
        ignore_unsupported=ignore_unsupported,
    )
    for warning in service_names.warnings(items):
        printing.warn(warning)
    actions = apply_plan.plan((item, None) for item in items)

    async def body(session: Session) -> None:
        from podraft.cli.plans.refusals import located
        from podraft.client.errors import ApiError

        writing = apply_plan.write_order(actions)
        writes = [action.write for action in writing if action.write is not None]
        try:
            await session.client.commit(writes, dry_run=dry_run == "server", omit_objects=True)
        except ApiError as error:
            raise located(error, writing, "nothing was created") from None
        note = " (server dry run)" if dry_run == "server" else ""
        printing.say(*(f"{action.item.word} created{note}" for action in actions))

    run(settings, body)
