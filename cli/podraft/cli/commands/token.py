"""`token`: secrets with which nodes, and servers, join the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.durations import DURATION
from podraft.cli.framework import Group
from podraft.cli.settings import Settings

if TYPE_CHECKING:
    from podraft.cli.connection import Session

token = Group("token", help="Create tokens with which nodes, or servers, join.")


@token.add("create")
@click.option(
    "--ttl",
    "ttl_s",
    type=DURATION,
    default=0.0,
    help="How long it is valid. [24h, with --member 1h]",
)
@click.option("--member", is_flag=True, help="For one server that joins the group.")
def create(settings: Settings, ttl_s: float, member: bool) -> None:
    """Create a token with which nodes may join; only the token is printed.

    A token for a server is good once. The server gets the cluster's keys with it, so keep it as
    secret as those. `podraft member add` prints the whole command.
    """
    from podraft.cli.connection import run

    async def body(session: Session) -> str:
        if member:
            return (await session.client.members.add(lifetime_s=int(ttl_s))).token
        return (await session.client.create_join_token(int(ttl_s))).token

    click.echo(run(settings, body))
