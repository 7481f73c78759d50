"""`cluster-info`: show where the cluster is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session


@command("cluster-info")
def cluster_info(settings: Settings) -> None:
    """Show which servers answer for the cluster, and how many nodes there are."""
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> list[str]:
        version = await session.client.version()
        nodes = await session.client.nodes.list()
        servers = [f"podraft's API server is running at {one}" for one in session.client.servers]
        return [
            *servers,
            f"Cluster {version.cluster_id}, version {version.version}, {len(nodes.items)} nodes",
        ]

    printing.say(*run(settings, body))
