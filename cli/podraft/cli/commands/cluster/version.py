"""`version`: show the versions of this client and of the server."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session


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
    # The client's own version is shown even when no server answers.
    if output is None:
        printing.say(f"Client version: {shown['clientVersion']['version']}")
    if not client_only:
        server = _server(settings)
        shown["serverVersion"] = server
        if output is None:
            printing.say(f"Server version: {server['version']}")
            printing.say(f"Cluster: {server['clusterId']}, up since {server['startedAt']}")
            if history := server.get("history"):
                printing.say(f"History: {history}")
    if output is not None:
        from podraft.cli.output import documents

        printing.data(documents.render(shown, output))


def _server(settings: Settings) -> dict[str, str]:
    from podraft.api import times
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> dict[str, str]:
        answer = await session.client.version()
        history = await _history(session)
        return {
            **({"history": history} if history else {}),
            "version": answer.version,
            "clusterId": answer.cluster_id,
            "resourceVersion": answer.resource_version,
            "startedAt": times.format_time(answer.started_at),
            "pythonVersion": answer.python_version,
        }

    return run(settings, body)


async def _history(session: Session) -> str:
    """Return how far back the history goes; empty if none is kept or the user may not see it."""
    from podraft.api.columns import ages
    from podraft.client.errors import ApiError

    try:
        moment = await session.client.history.resolve()
    except ApiError:
        return ""
    since = ""
    if moment.oldest_time is not None:
        age = ages.human_duration(session.now_s() - moment.oldest_time.timestamp())
        since = f" ({age} ago)"
    kept = ages.human_duration(moment.keep_seconds)
    return (
        f"back to revision {moment.oldest_revision}{since}; "
        f"kept for {kept}, at most {moment.keep_revisions} revisions "
        f"and {moment.keep_bytes >> 20} MiB"
    )
