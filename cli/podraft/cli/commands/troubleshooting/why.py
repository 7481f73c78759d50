"""`why`: the reasons behind an object's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.cli.kinds.view import Explanation
    from podraft.cli.sessions.connection import Session


_ACCESS = "access"
_ACCESS_WORDS = 3


@command("why")
@click.argument(
    "target", nargs=-1, required=True, metavar="KIND/NAME", shell_complete=complete_targets
)
@click.option("--group", "groups", multiple=True, help="With access: a group of the user.")
@click.option("--subresource", default="", help="With access: the part that is meant.")
def why(
    settings: Settings, target: tuple[str, ...], groups: tuple[str, ...], subresource: str
) -> None:
    """Say why an object is in the state it is in.

    For a pod: why it is on its node, or on none, and why it does not run. For a
    deployment: what its rollout waits for. For a service: which pods receive its
    traffic and why the others do not. For a namespace that does not go: what holds it.

    `podraft why access USER VERB KIND[/NAME]` says which rule lets a user do something, or what is
    missing; --group adds a group of the user, --subresource names a part such as log.
    """
    if target[0] == _ACCESS:
        _why_access(settings, target[1:], groups, subresource)
        return
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


def _why_access(
    settings: Settings, words: tuple[str, ...], groups: tuple[str, ...], subresource: str
) -> None:
    from podraft.cli.errors import usage
    from podraft.cli.sessions.asking import ask_of, groups_of, question
    from podraft.cli.sessions.connection import run

    if not _ACCESS_WORDS <= len(words) <= _ACCESS_WORDS + 1:
        raise usage("say whose and what: why access USER VERB KIND, KIND/NAME or KIND NAME")
    user, verb, what, *names = words

    async def body(session: Session) -> None:
        asked = question(verb, what, "".join(names), session.namespace, subresource)
        known = groups or await groups_of(session, user)
        status = await ask_of(session, user, known, asked)
        where = f" {asked.where}" if asked.where else ""
        word = "may" if status.allowed else "may not"
        headline = f'user "{user}" {word} {asked}{where}'
        in_groups = [f"  in the groups {', '.join(known)}"] if known else []
        reasons = status.reason if status.allowed else status.reason.partition(": ")[2]
        lines = [f"  {line}" for line in reasons.split("; ")]
        printing.text("\n".join([headline, *in_groups, *lines]) + "\n")

    run(settings, body)


def _headline(name: str, explanation: Explanation, *, coloured: bool) -> str:
    from podraft.cli.output import colour

    word = explanation.word
    if not word:
        return name
    shown = colour.paint_status(word, word) if coloured else word
    return f"{colour.bold(name, enabled=coloured)} is {shown}{explanation.rest}"
