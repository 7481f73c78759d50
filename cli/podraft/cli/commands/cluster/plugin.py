"""`plugin list`: the programs that are found as commands of podraft."""

from __future__ import annotations

import click

from podraft.cli.command_line.framework import Group
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

plugin = Group("plugin", help="Programs called podraft-NAME on your PATH are commands, too.")


@plugin.add("list")
@click.option("--name-only", is_flag=True, help="Show names in place of paths.")
def list_(settings: Settings, name_only: bool) -> int:
    """List the programs, and say which of them never run."""
    from podraft.cli.command_line.framework import Root
    from podraft.cli.command_line.plugins import every_plugin
    from podraft.cli.errors import CliError

    root = click.get_current_context().find_root().command
    known = root.entries if isinstance(root, Root) else {}
    found = every_plugin()
    if not found:
        raise CliError("there is no program called podraft-NAME on your PATH")
    seen: set[str] = set()
    hidden = 0
    for path in found:
        printing.data(f"{path.name if name_only else path}\n")
        command = path.name.removeprefix("podraft-").replace("_", "-")
        if command.partition("-")[0] in known or command in known:
            printing.warn(f"{path} never runs: podraft has a command of its name")
            hidden += 1
        elif path.name in seen:
            printing.warn(f"{path} never runs: one of its name stands before it on the PATH")
            hidden += 1
        seen.add(path.name)
    return 1 if hidden else 0
