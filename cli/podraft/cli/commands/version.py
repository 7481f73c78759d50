"""`version`: of this client and of the server."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.framework import command
from podraft.cli.settings import Settings

if TYPE_CHECKING:
    from podraft.cli.connection import Session


@command("version")
@click.option("--client", "client_only", is_flag=True, help="Ask no server.")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]))
def version(settings: Settings, client_only: bool, output: str | None) -> None:
    """Show the versions of client and server."""
    shown: dict[str, Any] = {
        "clientVersion": {
            "version": metadata.version("podraft"),
            "pythonVersion": platform.python_version(),
        }
    }
    # What is known without a server is shown even when none answers.
    if output is None:
        click.echo(f"Client version: {shown['clientVersion']['version']}")
    if not client_only:
        server = _server(settings)
        shown["serverVersion"] = server
        if output is None:
            click.echo(f"Server version: {server['version']}")
            click.echo(f"Cluster: {server['clusterId']}, up since {server['startedAt']}")
    if output is not None:
        from podraft.cli.output import documents

        click.echo(documents.render(shown, output), nl=False)


def _server(settings: Settings) -> dict[str, str]:
    from podraft.api import times
    from podraft.cli.connection import run

    async def body(session: Session) -> dict[str, str]:
        answer = await session.client.version()
        return {
            "version": answer.version,
            "clusterId": answer.cluster_id,
            "resourceVersion": answer.resource_version,
            "startedAt": times.format_time(answer.started_at),
            "pythonVersion": answer.python_version,
        }

    return run(settings, body)
