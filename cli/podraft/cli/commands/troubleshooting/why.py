"""`why`: the reasons behind an object's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command, complete_kinds
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.kinds.view import Explanation
    from podraft.cli.sessions.connection import Session


@command("why")
@click.argument(
    "target", nargs=-1, required=True, metavar="KIND/NAME", shell_complete=complete_kinds
)
def why(settings: Settings, target: tuple[str, ...]) -> None:
    """Say why an object is in the state it is in.

    For a pod: why it is on its node, or on none, and why it does not run. For a
    deployment: what its rollout waits for. For a service: which pods receive its
    traffic and why the others do not. For a namespace that does not go: what holds it.
    """
    from podraft.cli.command_line.targets import name_of, one_target
    from podraft.cli.kinds import view_of
    from podraft.cli.sessions.around import surroundings
    from podraft.cli.sessions.connection import run

    found = one_target(*target)
    view = view_of(found.kind)

    async def body(session: Session) -> None:
        namespace = session.namespace if found.kind.namespaced else ""
        obj = await session.client.resource(found.kind).get(name_of(found), namespace)
        around = await surroundings(session, obj, view.why_needs(obj))
        explanation = view.why(obj, around, session.now_s())
        name = f"{found.kind.name.lower()}/{obj.metadata.name}"
        headline = _headline(name, explanation, coloured=settings.coloured())
        printing.text("\n".join([headline, *explanation.lines]).rstrip() + "\n")

    run(settings, body)


def _headline(name: str, explanation: Explanation, *, coloured: bool) -> str:
    from podraft.cli.output import colour

    word = explanation.word
    if not word:
        return name
    shown = colour.paint_status(word, word) if coloured else word
    return f"{colour.bold(name, enabled=coloured)} is {shown}{explanation.rest}"
