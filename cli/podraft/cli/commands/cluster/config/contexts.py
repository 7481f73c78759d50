"""`config use-context`, `set-context`, `rename-context`, `delete-context`."""

from __future__ import annotations

from typing import Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing


@command("use-context")
@click.argument("name")
def use_context(settings: Settings, name: str) -> None:
    """Make a context the one in use."""
    from podraft.cli.commands.cluster.config.files import change
    from podraft.cli.plans import config_edits

    def edit(document: dict[str, Any]) -> str:
        config_edits.use_context(document, name)
        return f'Switched to context "{name}".'

    printing.say(change(settings, edit))


@command("set-context")
@click.argument("name", required=False)
@click.option("--current", is_flag=True, help="The context in use.")
@click.option("--cluster", help="The cluster's name.")
@click.option("--user", help="The user's name.")
def set_context(
    settings: Settings,
    name: str | None,
    current: bool,
    cluster: str | None,
    user: str | None,
) -> None:
    """Set fields of a context, or make one; -n sets the namespace to work in."""
    from podraft.cli.commands.cluster.config.files import change
    from podraft.cli.errors import CliError, usage
    from podraft.cli.plans import config_edits

    if current == (name is not None):
        raise usage("say which context: its name, or --current")
    said = {"cluster": cluster, "user": user, "namespace": settings.namespace}
    fields = {field: value for field, value in said.items() if value is not None}

    def edit(document: dict[str, Any]) -> str:
        chosen = name or str(document.get("current-context") or "")
        if not chosen:
            raise CliError("current-context is not set")
        is_there = config_edits.set_entry(document, "contexts", chosen, fields)
        return f'Context "{chosen}" {"modified" if is_there else "created"}.'

    printing.say(change(settings, edit))


@command("rename-context")
@click.argument("old")
@click.argument("new")
def rename_context(settings: Settings, old: str, new: str) -> None:
    """Rename a context."""
    from podraft.cli.commands.cluster.config.files import change
    from podraft.cli.plans import config_edits

    def edit(document: dict[str, Any]) -> str:
        config_edits.rename_context(document, old, new)
        return f'Context "{old}" renamed to "{new}".'

    printing.say(change(settings, edit))


@command("delete-context")
@click.argument("name")
def delete_context(settings: Settings, name: str) -> None:
    """Remove a context."""
    from podraft.cli.commands.cluster.config.files import change
    from podraft.cli.plans import config_edits

    def edit(document: dict[str, Any]) -> str:
        config_edits.delete_entry(document, "contexts", name)
        if document.get("current-context") == name:
            printing.warn("that was the context in use; choose another one with use-context")
        return f'deleted context "{name}"'

    printing.say(change(settings, edit))
