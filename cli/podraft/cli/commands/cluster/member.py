"""`member`: manage the servers that together keep the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import Group
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.api.cluster.v1 import member_pb2
    from podraft.cli.sessions.connection import Session

member = Group("member", help="List and change the servers that keep the state.")

_HEADERS = ("NAME", "ROLE", "REACHABLE", "LAG", "PEER ADDRESS", "API", "ID")


@member.add("list")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]))
def list_(settings: Settings, output: str | None) -> None:
    """List the servers, as the one that answers sees them.

    LAG is how many entries of the log a member lacks; only the leader knows.
    """
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> member_pb2.ListMembersResponse:
        return await session.client.members.list()

    listed = run(settings, body)
    if output is not None:
        from podraft.cli.output import documents

        printing.data(documents.render(_document(listed), output))
        return
    _print(listed)


def _print(listed: member_pb2.ListMembersResponse) -> None:
    from podraft.api.cluster.v1 import member_pb2
    from podraft.cli.output import tables

    rows = [_row(each) for each in listed.members]
    printing.text(tables.render(_HEADERS, rows))
    if listed.mode == member_pb2.STORE_MODE_EXTERNAL:
        printing.say(
            "(the state is kept in etcd: only the server that answers is listed)", err=True
        )
    elif listed.mode == member_pb2.STORE_MODE_GROUP and not listed.leader_id:
        printing.say("(no leader is known: a majority of the voters must be reachable)", err=True)


def _row(each: member_pb2.Member) -> tuple[str, ...]:
    return (
        each.name or "-",
        _role(each),
        "yes" if each.reachable else "no",
        str(each.lag) if each.HasField("lag") else "-",
        each.peer_address or "-",
        ",".join(each.api_addresses) or "-",
        f"{each.id:016x}" if each.id else "-",
    )


def _role(each: member_pb2.Member) -> str:
    from podraft.api.cluster.v1 import member_pb2

    if each.leader:
        return "leader"
    return "voter" if each.role == member_pb2.MEMBER_ROLE_VOTER else "learner"


def _document(listed: member_pb2.ListMembersResponse) -> dict[str, Any]:
    from podraft.api.cluster.v1 import member_pb2

    return {
        "mode": member_pb2.StoreMode.Name(listed.mode).removeprefix("STORE_MODE_").lower(),
        "clusterId": listed.cluster_id,
        "term": listed.term,
        "commitIndex": listed.commit_index,
        "answering": f"{listed.answering_id:016x}",
        "members": [_member_document(each) for each in listed.members],
    }


def _member_document(each: member_pb2.Member) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": each.name,
        "id": f"{each.id:016x}",
        "role": _role(each),
        "reachable": each.reachable,
        "peerAddress": each.peer_address,
        "apiAddresses": list(each.api_addresses),
    }
    if each.HasField("match_index"):
        shown["matchIndex"] = each.match_index
    if each.HasField("lag"):
        shown["lag"] = each.lag
    return shown


@member.add("add")
@click.argument("name", required=False, default="")
@click.option("--ttl", "ttl_s", type=DURATION, default=0.0, help="How long it is valid. [1h]")
def add(settings: Settings, name: str, ttl_s: float) -> None:
    """Print the command with which one more server joins the group.

    It holds a token that is good once. The server gets the cluster's keys with it, so keep it as
    secret as those. The server gets everything first, then votes by itself.
    """
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> member_pb2.MemberToken:
        return await session.client.members.add(name, int(ttl_s))

    token = run(settings, body)
    named = f" --member-name {name}" if name else ""
    where = token.join_address or "SERVER:7444"
    printing.data(f"podraft-server --join {where} --token {token.token}{named}\n")


@member.add("promote")
@click.argument("name")
def promote(settings: Settings, name: str) -> None:
    """Let a learner that has caught up vote; who joins does it by itself."""
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> None:
        await session.client.members.promote(name)

    run(settings, body)
    printing.say(f'member "{name}" votes')


@member.add("remove")
@click.argument("name")
@click.option("--force", is_flag=True, help="Even if the others are no majority then.")
def remove(settings: Settings, name: str, force: bool) -> None:
    """Take a server out of the group for good; its process ends.

    Refused if the members that can be reached would be no majority of those that stay. A server of
    the same name can join again, with an empty data directory, as a new member.
    """
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> None:
        await session.client.members.remove(name, force=force)

    run(settings, body)
    printing.say(f'member "{name}" removed')


@member.add("transfer-leader")
@click.argument("name", required=False, default="")
def transfer_leader(settings: Settings, name: str) -> None:
    """Let another server lead: NAME, or whichever has most of the log."""
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> str:
        return (await session.client.members.transfer_leadership(name)).name

    printing.say(f'member "{run(settings, body)}" leads')
