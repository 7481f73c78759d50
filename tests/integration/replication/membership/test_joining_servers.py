"""Which servers become members, and which do not."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from random import Random

import grpc
import pytest

from podraft.api.cluster.v1 import cluster_pb2, cluster_pb2_grpc
from podraft.client.connecting.authority import fetch_authority
from podraft.server.auth import tokens
from podraft.server.auth.pki import read_authority
from podraft.server.encryption.key_file import beside
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions
from support.group_writers import VOTER, names_at, roles, write
from support.membership_processes import (
    GrowingGroup,
    ask,
    member_command,
    try_start,
)
from support.raft_processes import Server


def test_who_has_no_valid_token_for_a_server_becomes_none(group: GrowingGroup) -> None:
    a = group.first("a")
    member_token = ask(a, lambda client: client.members.add()).token
    node_token = ask(a, lambda client: client.create_join_token(60)).token
    kind, identifier, secret, fingerprint = member_token.split(".")
    other_secret = ("0" if secret[0] != "0" else "1") + secret[1:]
    other_cluster = f"{kind}.{identifier}.{secret}.{fingerprint[::-1]}"
    named = ask(a, lambda client: client.members.add("x")).token
    expected = {
        "": "malformed join token",
        node_token: "makes a machine a node, not a server",
        f"{kind}.{'0' * 12}.{secret}.{fingerprint}": "unknown join token",
        f"{kind}.{identifier}.{other_secret}.{fingerprint}": "the join token's secret is wrong",
        other_cluster: "does not belong to the cluster of the join token",
        named: 'is for a server with the name "x", not "b"',
    }
    for token, problem in expected.items():
        data = group.directory / "refused"
        done = try_start(data, *group.join_arguments("b", a, token))
        assert done.returncode == 1, (token, done)
        assert problem in done.stderr
        assert done.stderr.count("podraft-server:") == 1
        assert not (data / "store").exists()
        assert not (data / "pki").exists()
    assert roles(a) == {"a": VOTER}

    # A name that is taken does not use the token up, one that joins does.
    done = try_start(group.directory / "d", *group.join_arguments("a", a, member_token)[:3])
    assert "there is a member a already" in done.stderr
    b = group.servers["b"] = Server("b", group.directory / "b", ())
    b.arguments = group.join_arguments("b", a, member_token)
    b.start()
    done = try_start(group.directory / "e", *group.join_arguments("e", a, member_token))
    assert "was used by another server already" in done.stderr
    # Neither does a server's token make a node.
    assert "makes a machine a server, not a node" in join_as_node(a, named)
    # What is a member already needs no token any more.
    b.stop()
    b.start()
    assert roles(b) == {"a": VOTER, "b": VOTER}


def join_as_node(server: Server, token: str) -> str:
    """Return why a node may not join."""
    target = f"127.0.0.1:{server.join_port}"
    credentials = grpc.ssl_channel_credentials(fetch_authority(target, token.rpartition(".")[2]))
    options = (("grpc.ssl_target_name_override", "podraft-server"),)
    with grpc.secure_channel(target, credentials, options) as channel:
        request = cluster_pb2.JoinNodeRequest(token=token, node_name="n")
        with pytest.raises(grpc.RpcError) as caught:
            cluster_pb2_grpc.JoinServiceStub(channel).JoinNode(request, timeout=10)
        return str(caught.value)


def test_a_server_that_is_killed_while_it_joins_goes_on_with_the_same_command(
    group: GrowingGroup,
) -> None:
    seed = 11
    print(f"seed {seed}")
    random = Random(seed)
    a = group.first("a")
    write(a, *(f"w-{number}" for number in range(30)))
    token = ask(a, lambda client: client.members.add()).token
    b = group.servers["b"] = Server("b", group.directory / "b", ())
    b.arguments = group.join_arguments("b", a, token)
    for _ in range(4):
        b.begin()
        assert b.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            b.process.wait(random.uniform(0.3, 1.2))
        b.end(signal.SIGKILL)
    b.start()
    assert roles(b) == {"a": VOTER, "b": VOTER}
    assert names_at(b) == names_at(a) == {f"w-{number}" for number in range(30)}
    # Who has a state of its own takes no other one.
    alone = group.alone("c")
    alone.stop()
    token = ask(a, lambda client: client.members.add()).token
    done = try_start(alone.data_dir, *group.join_arguments("c", a, token))
    assert done.returncode == 1
    assert "holds the state of a server already" in done.stderr
    alone.start()
    assert member_command(alone, "add").stderr.count("--member-address") == 1


def test_an_expired_token_makes_no_server(group: GrowingGroup) -> None:
    a = group.alone("a")
    a.stop()
    authority = read_authority(a.data_dir / "pki")
    assert authority is not None
    made = tokens.make_token(bytes(26), authority.fingerprint, 1e9, 60, tokens.MEMBER)

    async def store() -> None:
        # Not by waiting until it has expired: a minute is the shortest.
        datastore = await EmbeddedDatastore.open(
            a.data_dir / "store", options=StoreOptions(keys=beside(a.data_dir))
        )
        await datastore.transact(Transaction((), (Put(made.key, made.stored, stamped=False),)))
        await datastore.close()

    asyncio.run(store())
    group.first("a")
    # Another token is valid: else the port would not even be open.
    ask(a, lambda client: client.create_join_token(600))
    done = try_start(group.directory / "b", *group.join_arguments("b", a, made.text))
    assert done.returncode == 1
    assert "the join token has expired" in done.stderr
