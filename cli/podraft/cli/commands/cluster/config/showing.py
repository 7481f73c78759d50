"""`config view`, `current-context`, `get-contexts`, `get-clusters`, `get-users`."""

from __future__ import annotations

from typing import Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

_SECRET = ("client-key-data", "token", "password")
_LONG = ("client-certificate-data", "certificate-authority-data")


@command("view")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml")
@click.option("--raw", is_flag=True, help="With certificates and keys.")
@click.option("--minify", is_flag=True, help="Only what the context in use needs.")
def view(settings: Settings, output: str, raw: bool, minify: bool) -> None:
    """Show the configuration, without its secrets."""
    from podraft.cli.commands.cluster.config.files import read
    from podraft.cli.output import documents
    from podraft.cli.plans import config_edits

    _, document = read(settings)
    if minify:
        context = settings.context or str(document.get("current-context", ""))
        document = config_edits.minified(document, context)
    printing.data(documents.render(document if raw else _redacted(document), output))


@command("current-context")
def current_context(settings: Settings) -> None:
    """Show which context is in use."""
    from podraft.cli.commands.cluster.config.files import read
    from podraft.cli.errors import CliError

    name = settings.context or read(settings)[1].get("current-context")
    if not name:
        raise CliError("current-context is not set")
    printing.data(f"{name}\n")


@command("get-contexts")
@click.argument("name", required=False)
@click.option("--no-headers", is_flag=True, help="Leave the line of headers out.")
@click.option("-o", "--output", type=click.Choice(["name"]))
def get_contexts(
    settings: Settings, name: str | None, no_headers: bool, output: str | None
) -> None:
    """List the contexts, or one of them."""
    from podraft.cli.commands.cluster.config.files import read
    from podraft.cli.errors import CliError
    from podraft.cli.output import tables
    from podraft.cli.plans import config_edits

    _, document = read(settings)
    if name is not None and name not in config_edits.names(document, "contexts"):
        raise CliError(f'there is no context "{name}"')
    current = settings.context or document.get("current-context")
    rows = []
    for entry in document.get("contexts") or []:
        if name is not None and entry.get("name") != name:
            continue
        context = entry.get("context") or {}
        rows.append(
            [
                "*" if entry.get("name") == current else "",
                str(entry.get("name", "")),
                str(context.get("cluster", "")),
                str(context.get("user", "")),
                str(context.get("namespace", "")),
            ]
        )
    if output == "name":
        printing.data("".join(f"{row[1]}\n" for row in rows))
        return
    headers = ["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]
    printing.text(tables.render(None if no_headers else headers, rows))


@command("get-clusters")
def get_clusters(settings: Settings) -> None:
    """List the clusters."""
    _list(settings, "clusters")


@command("get-users")
def get_users(settings: Settings) -> None:
    """List the users."""
    _list(settings, "users")


def _list(settings: Settings, section: str) -> None:
    from podraft.cli.commands.cluster.config.files import read
    from podraft.cli.output import tables
    from podraft.cli.plans import config_edits

    rows = [[name] for name in config_edits.names(read(settings)[1], section)]
    printing.text(tables.render(["NAME"], rows))


def _redacted(value: Any) -> Any:
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for key, item in value.items():
        if key in _SECRET:
            result[key] = "REDACTED"
        elif key in _LONG:
            result[key] = "DATA+OMITTED"
        else:
            result[key] = _redacted(item)
    return result
