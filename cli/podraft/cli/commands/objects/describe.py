"""`describe`: objects in full, with their events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session


@command("describe")
@click.argument(
    "arguments",
    nargs=-1,
    metavar="KIND[,KIND]|KIND/NAME [NAME]...",
    shell_complete=complete_targets,
)
@click.option("-l", "--selector", default="", help="The objects with these labels.")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option(
    "--at", default="", metavar="REVISION|TIME|10m", help="As it was then, or so long ago."
)
def describe(
    settings: Settings, arguments: tuple[str, ...], selector: str, all_namespaces: bool, at: str
) -> None:
    """Show objects in full, with what belongs to them and what happened to them."""
    from podraft.cli.command_line.targets import parse_targets
    from podraft.cli.kinds import view_of
    from podraft.cli.sessions import reading
    from podraft.cli.sessions.around import surroundings
    from podraft.cli.sessions.connection import run

    targets = parse_targets(arguments)

    async def body(session: Session) -> None:
        if at:
            from podraft.cli.sessions.past import session_at

            session = await session_at(session, at)
        query = reading.Query(session.namespace, selector, "", all_namespaces)
        found = await reading.read(session, targets, query)
        texts = []
        for one in found:
            view = view_of(one.kind)
            for obj in one.objects:
                around = await surroundings(session, obj, view.describe_needs)
                texts.append("\n".join(view.describe(obj, around, session.now_s())))
        if texts:
            printing.text("\n\n\n".join(texts) + "\n")
        elif not any(one.missing for one in found):
            printing.say(f"No resources found in {session.namespace} namespace.", err=True)
        reading.complain_of_missing(found, session.namespace)

    run(settings, body)
