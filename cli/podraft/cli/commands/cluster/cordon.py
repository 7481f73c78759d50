"""`cordon` and `uncordon`: set whether new pods may be placed on a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session

_NODES = click.argument("nodes", nargs=-1, required=True, metavar="NODE...")


@command("cordon")
@_NODES
def cordon(settings: Settings, nodes: tuple[str, ...]) -> None:
    """Keep new pods away from nodes; those that run there stay."""
    _set(settings, nodes, unschedulable=True)


@command("uncordon")
@_NODES
def uncordon(settings: Settings, nodes: tuple[str, ...]) -> None:
    """Let new pods onto nodes again."""
    _set(settings, nodes, unschedulable=False)


def _set(settings: Settings, nodes: Sequence[str], *, unschedulable: bool) -> None:
    from podraft.cli.sessions.connection import run

    word = "cordoned" if unschedulable else "uncordoned"

    async def body(session: Session) -> None:
        for argument in nodes:
            name = argument.removeprefix("node/").removeprefix("nodes/")
            node = await session.client.nodes.get(name)
            if node.spec.unschedulable == unschedulable:
                printing.say(f"node/{name} already {word}")
                continue
            patch = {"spec": {"unschedulable": True if unschedulable else None}}
            await session.client.nodes.patch(name, patch, uid=node.metadata.uid)
            printing.say(f"node/{name} {word}")

    run(settings, body)
