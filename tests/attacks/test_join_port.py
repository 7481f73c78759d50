"""The join port: closed without a token, and what those may take who knock."""

import asyncio
import socket

import grpc
import psutil
import pytest

from local_cluster.server_process import running
from podraft.client.client import Client
from podraft.server.auth import tokens
from podraft.server.rpc.join_door import JoinDoor
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from support.attackers import JOIN_NODE, join_node
from support.raw_http2 import RawConnection, message, tls_context
from support.waiting import eventually


class NoMethods(grpc.GenericRpcHandler):
    def service(self, handler_call_details):
        return None


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except ConnectionRefusedError:
        return False
    return True


def create_token(server):
    async def main():
        async with Client(server.config()) as client:
            return (await client.create_join_token(600)).token

    return asyncio.run(main())


def test_the_port_is_closed_until_there_is_a_token_and_open_when_it_is_told():
    with running() as server:
        assert not is_open(server.join_port)
        token = create_token(server)
        assert is_open(server.join_port)
        authority = server.config().certificate_authority
        assert join_node(server.join_port, authority, token, "first").certificate


def test_the_port_closes_some_time_after_the_last_token_was_used_or_ended(tmp_path):
    async def main():
        now = [0.0]
        store = await EmbeddedDatastore.open(tmp_path)

        def listen(server, port):
            return server.add_insecure_port(f"127.0.0.1:{port}")

        door = JoinDoor(store, NoMethods(), listen, lambda: now[0])
        await door.start()
        assert not is_open(door.port)
        made = tokens.make_token(b"r" * tokens.RANDOM_BYTES, "0" * 64, 0.0, 1)
        key, expired = made.key, made.stored
        valid = expired.replace(b'"expiresAt": 1', b'"expiresAt": 99999999999')
        assert valid != expired
        await store.transact(Transaction((), (Put(key, valid, stamped=False),)))
        await door.look()
        assert is_open(door.port)
        await store.transact(Transaction((), (Put(key, expired, stamped=False),)))
        await door.look()
        assert is_open(door.port)  # Who did not get the answer asks again.
        now[0] += 121
        await door.look()
        assert not is_open(door.port)
        await door.stop(0)
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("claimed", [12_000, 60_000])
def test_unfinished_and_large_requests_take_nothing_and_go(server, claimed):
    token = create_token(server)
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    authority = server.config().certificate_authority
    context = tls_context(authority)
    held = []
    for _ in range(120):
        try:
            connection = RawConnection(("127.0.0.1", server.join_port), context)
            connection.begin(JOIN_NODE.encode(), message(b"x" * 10_000, claimed=claimed))
        except OSError:
            continue
        held.append(connection)
    assert process.memory_info().rss - before < 60 * 2**20
    eventually(lambda: all(each.is_closed() for each in held), within_s=40)
    # Whoever has a token joins as before.
    assert join_node(server.join_port, authority, token, f"beside-{claimed}").certificate
