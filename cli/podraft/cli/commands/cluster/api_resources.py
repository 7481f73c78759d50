"""`api-resources`: list the kinds of objects; no cluster is needed."""

from __future__ import annotations

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing


@command("api-resources")
@click.option("--no-headers", is_flag=True, help="Leave the line of headers out.")
def api_resources(settings: Settings, no_headers: bool) -> None:
    """List the kinds of objects that podraft knows."""
    from podraft.api import kinds
    from podraft.cli.output import tables

    rows = [
        [
            kind.resource,
            ",".join(kind.short_names),
            kind.api_version,
            str(kind.namespaced).lower(),
            kind.name,
        ]
        for kind in sorted(kinds.BUILT_IN, key=lambda kind: (kind.group, kind.resource))
    ]
    headers = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    printing.text(tables.render(None if no_headers else headers, rows))
