"""`config`: the clusters and contexts that the configuration file names."""

from __future__ import annotations

from typing import Any

import click

from podraft.cli.command_line.framework import Group
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

config = Group("config", help="Show the clusters and contexts in use.")
_SECRET = ("client-key-data", "token", "password")
_LONG = ("client-certificate-data", "certificate-authority-data")


@config.add("view")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml")
@click.option("--raw", is_flag=True, help="With certificates and keys.")
def view(settings: Settings, output: str, raw: bool) -> None:
    """Show the configuration, without its secrets."""
    from podraft.cli.output import documents

    document = _read(settings)
    printing.data(documents.render(document if raw else _redacted(document), output))


@config.add("current-context")
def current_context(settings: Settings) -> None:
    """Show which context is in use."""
    from podraft.cli.errors import CliError

    name = settings.context or _read(settings).get("current-context")
    if not name:
        raise CliError("current-context is not set")
    printing.data(f"{name}\n")


@config.add("get-contexts")
def get_contexts(settings: Settings) -> None:
    """List the contexts."""
    from podraft.cli.output import tables

    document = _read(settings)
    current = settings.context or document.get("current-context")
    rows = []
    for entry in document.get("contexts") or []:
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
    headers = ["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]
    printing.text(tables.render(headers, rows))


def _read(settings: Settings) -> dict[str, Any]:
    from podraft.cli.errors import CliError
    from podraft.cli.manifests.document_stream import values_in
    from podraft.cli.manifests.nodes import ManifestError
    from podraft.cli.manifests.sources import read_sources
    from podraft.client.connecting.config import default_path

    path = settings.config or default_path()
    (_, text), *_ = read_sources([str(path)], recursive=False)
    try:
        values = values_in(text)
    except ManifestError as error:
        raise CliError(f"{path}:{error.line}: {error}") from None
    if len(values) != 1 or not isinstance(values[0], dict):
        raise CliError(f"{path}: is no configuration file")
    return values[0]


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
