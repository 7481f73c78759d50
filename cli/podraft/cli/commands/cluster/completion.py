"""`completion`: scripts that make a shell complete podraft's commands."""

from __future__ import annotations

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing


@command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(settings: Settings, shell: str) -> None:
    """Print the completion script of a shell.

    For bash: source <(podraft completion bash)
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    printing.data(
        found(
            click.get_current_context().find_root().command, {}, "podraft", "_PODRAFT_COMPLETE"
        ).source()
        + "\n"
    )
