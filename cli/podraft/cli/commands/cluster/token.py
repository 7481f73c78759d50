"""`token`: manage the secrets with which nodes and servers join the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import Group
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.api.cluster.v1 import cluster_pb2
    from podraft.cli.sessions.connection import Session

token = Group("token", help="Create, list and delete tokens with which nodes, or servers, join.")

# The second part of a whole token is its id.
_DOTS = 3
_HEADERS = ("ID", "FOR", "NAME", "USES LEFT", "EXPIRES IN")


@token.add("create")
@click.option(
    "--ttl", "ttl_s", type=DURATION, default=0.0, help="How long it is valid, 1m to 7d. [1h]"
)
@click.option(
    "--uses",
    type=click.IntRange(1, 1000),
    default=1,
    help="How many machines may join with it. [1]",
)
@click.option("--name", default="", help="The only name that may join with it.")
@click.option("--member", is_flag=True, help="For one server that joins the group.")
def create(settings: Settings, ttl_s: float, uses: int, name: str, member: bool) -> None:
    """Create a token with which one node may join; only the token is printed.

    A machine that has joined does not need it again, and may ask again with the same key. A
    server that joins gets the cluster's keys, so keep its token as secret as those. `podraft
    member add` prints the whole command.
    """
    from podraft.cli.errors import CliError
    from podraft.cli.sessions.connection import run

    if member and uses != 1:
        raise CliError("a token for a server is good once: leave out --uses")

    async def body(session: Session) -> str:
        client, lifetime_s = session.client, int(ttl_s)
        if member:
            return (await client.members.add(name, lifetime_s)).token
        return (await client.create_join_token(lifetime_s, uses=uses, node_name=name)).token

    printing.data(f"{run(settings, body)}\n")


@token.add("list")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]))
def list_(settings: Settings, output: str | None) -> None:
    """List the tokens that have not expired, without their secrets."""
    import time

    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> cluster_pb2.ListJoinTokensResponse:
        return await session.client.list_join_tokens()

    listed = run(settings, body).tokens
    if output is not None:
        from podraft.cli.output import documents

        printing.data(documents.render({"tokens": [_document(each) for each in listed]}, output))
        return
    from podraft.api.columns.ages import human_duration
    from podraft.cli.output import tables

    now_s = time.time()
    rows = [
        (
            each.id,
            _purpose(each),
            each.name or "<any>",
            f"{each.uses_left}/{each.uses}",
            human_duration(each.expires_at.seconds - now_s),
        )
        for each in listed
    ]
    printing.text(tables.render(_HEADERS, rows))


def _purpose(each: cluster_pb2.JoinTokenFacts) -> str:
    return "server" if each.for_member else "node"


def _document(each: cluster_pb2.JoinTokenFacts) -> dict[str, Any]:
    from podraft.api import times

    return {
        "id": each.id,
        "for": _purpose(each),
        "name": each.name,
        "uses": each.uses,
        "usesLeft": each.uses_left,
        "expiresAt": times.format_time(each.expires_at),
    }


@token.add("delete")
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
def delete(settings: Settings, ids: tuple[str, ...]) -> None:
    """Delete tokens, by their ids or as they were printed: nobody joins with them any more.

    Who has joined stays; `podraft delete node NAME` puts a node out.
    """
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> None:
        for given in ids:
            token_id = given.split(".")[1] if given.count(".") == _DOTS else given
            await session.client.delete_join_token(token_id)
            printing.say(f'token "{token_id}" deleted')

    run(settings, body)
