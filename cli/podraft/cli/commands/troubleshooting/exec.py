"""`exec`: run a command in a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session


@command("exec")
@click.argument("pod")
@click.argument("words", nargs=-1, metavar="-- COMMAND [ARGUMENT]...")
@click.option("-c", "--container", default="", help="Which container of the pod; the first.")
@click.option("-i", "--stdin", "with_stdin", is_flag=True, help="Send standard input.")
@click.option("-t", "--tty", is_flag=True, help="Give the command a terminal.")
def exec(
    settings: Settings,
    pod: str,
    words: tuple[str, ...],
    container: str,
    with_stdin: bool,
    tty: bool,
) -> int:
    """Run a command in a container; its exit code becomes podraft's.

    For example: podraft exec -it web-1 -- sh
    """
    from podraft.api import kinds
    from podraft.cli.command_line.targets import expect_kind, name_of, one_target
    from podraft.cli.errors import usage
    from podraft.cli.sessions.connection import run
    from podraft.cli.streams.containers import chosen_container
    from podraft.cli.streams.standard_streams import stdin_is_terminal
    from podraft.cli.streams.terminal import Execution

    if not words:
        raise usage("say which command: podraft exec POD -- COMMAND")
    name = pod
    if "/" in pod:
        target = one_target(pod)
        expect_kind(target, (kinds.POD,), "exec")
        name = name_of(target)
    if tty and not stdin_is_terminal():
        printing.warn("standard input is no terminal; running without one")
        tty = False

    async def body(session: Session) -> int:
        found = await session.client.pods.get(name, session.namespace)
        chosen = chosen_container(found, container)
        execution = Execution(session.client, with_stdin=with_stdin, tty=tty)
        return await execution.run(session.namespace, name, chosen, list(words))

    return run(settings, body)
