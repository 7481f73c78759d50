"""`token`: secrets with which nodes join the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.durations import DURATION
from podraft.cli.framework import Group
from podraft.cli.settings import Settings

if TYPE_CHECKING:
    from podraft.cli.connection import Session

token = Group("token", help="Create tokens with which nodes join.")


@token.add("create")
@click.option("--ttl", "ttl_s", type=DURATION, default=86400.0, help="How long it is valid. [24h]")
def create(settings: Settings, ttl_s: float) -> None:
    """Create a token with which nodes may join; only the token is printed."""
    from podraft.cli.connection import run

    async def body(session: Session) -> str:
        return (await session.client.create_join_token(int(ttl_s))).token

    click.echo(run(settings, body))
