"""`describe`: objects in full, with what happened to them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command, complete_kinds
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.output.describe import Surroundings
    from podraft.cli.sessions.connection import Session


@command("describe")
@click.argument(
    "arguments", nargs=-1, metavar="KIND[,KIND]|KIND/NAME [NAME]...", shell_complete=complete_kinds
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
    from podraft.cli.output import describe as descriptions
    from podraft.cli.sessions import reading
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
            for obj in one.objects:
                around = await _surroundings(session, one.kind, obj)
                texts.append("\n".join(descriptions.lines(obj, around, session.now_s())))
        if texts:
            printing.text("\n\n\n".join(texts) + "\n")
        elif not any(one.missing for one in found):
            printing.say(f"No resources found in {session.namespace} namespace.", err=True)
        reading.complain_of_missing(found, session.namespace)

    run(settings, body)


async def _surroundings(session: Session, kind: Any, obj: Any) -> Surroundings:
    from podraft.api import kinds
    from podraft.cli.output.describe import Surroundings
    from podraft.cli.sessions import around

    events = asyncio.create_task(around.events_of(session, obj))
    more: dict[str, Any] = {}
    if kind is kinds.POD:
        more["record"] = await around.record_of(session, obj)
    elif kind is kinds.DEPLOYMENT:
        more["replica_sets"] = await around.replica_sets_of(session, obj)
    elif kind is kinds.SERVICE:
        more["slices"] = await around.slices_of(session, obj)
    elif kind is kinds.NODE:
        more["pods"] = await around.pods_on(session, obj)
    return Surroundings(events=await events, **more)
