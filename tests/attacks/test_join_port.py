"""The join port: closed without a token, and what those may take who knock."""

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path

import psutil
import pytest

from local_cluster.server_process import running
from podraft.client.calls.client import Client
from podraft.server.auth import tokens
from podraft.server.auth.pki import ensure_pki
from podraft.server.rpc.joining.door import JoinDoor
from podraft.server.rpc.serving import ServingCertificate
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from support.attackers import JOIN_NODE, join_node
from support.raw_http2 import RawConnection, message, tls_context
from support.waiting import eventually, eventually_async


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except ConnectionRefusedError:
        return False
    return True


def port_process(parent):
    """Return the child of a server that has its join port, if there is one."""
    children = [child for child in parent.children() if child.status() != psutil.STATUS_ZOMBIE]
    return next((each for each in children if "port_process" in " ".join(each.cmdline())), None)


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
        store = await EmbeddedDatastore.open(tmp_path / "store")
        certificate = ServingCertificate(ensure_pki(tmp_path / "pki", addresses=()))
        door = JoinDoor(store, {}, certificate, "127.0.0.1:0", clock=lambda: now[0])
        await door.start()
        assert not is_open(door.port)
        made = tokens.make_token(b"r" * tokens.RANDOM_BYTES, "0" * 64, 0.0, 1)
        key, expired = made.key, made.stored
        valid = expired.replace(b'"expiresAt": 1', b'"expiresAt": 99999999999')
        assert valid != expired
        await store.transact(Transaction((), (Put(key, valid, stamped=False),)))
        await door.look()
        assert is_open(door.port)
        # Whatever ends its process, the port opens again.
        os.kill(port_process(psutil.Process()).pid, signal.SIGKILL)
        await eventually_async(lambda: not door.is_open)
        await door.look()
        now[0] += 6
        await door.look()
        assert is_open(door.port)
        await store.transact(Transaction((), (Put(key, expired, stamped=False),)))
        await door.look()
        assert is_open(door.port)  # Who did not get the answer asks again.
        now[0] += 121
        await door.look()
        assert not is_open(door.port)
        assert port_process(psutil.Process()) is None
        await door.stop()
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("claimed", [12_000, 60_000])
def test_unfinished_and_large_requests_take_nothing_and_go(server, claimed):
    token = create_token(server)
    process = port_process(psutil.Process(server.process.pid))
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


def test_the_process_of_the_port_has_nothing_of_the_cluster(server):
    create_token(server)
    process = port_process(psutil.Process(server.process.pid))
    assert {each.path for each in process.open_files()} <= {str(server.data_dir) + ".log"}
    assert process.nice() >= 10
    assert process.environ().keys() <= {"PATH", "PYTHONPATH", "LANG", "LC_CTYPE"} | {
        "PODRAFT_PARENT_PID",
        "GRPC_VERBOSITY",
        "GRPC_ENABLE_FORK_SUPPORT",
    }
    if os.geteuid() == 0:
        assert set(process.uids()) == set(process.gids()) == {65_534}
        status = dict(
            line.split(":", 1)
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        )
        assert int(status["CapEff"], 16) == 0


def test_who_knocks_without_end_costs_the_server_next_to_nothing(server):
    create_token(server)
    context = tls_context(server.config().certificate_authority)
    process = psutil.Process(server.process.pid)
    port = port_process(process)
    address = ("127.0.0.1", server.join_port)

    def used_s(each):
        times = each.cpu_times()
        return times.user + times.system

    def knock():
        with contextlib.suppress(OSError), RawConnection(address, context) as connection:
            connection.begin(JOIN_NODE.encode(), message(b"x" * 5_000, claimed=12_000))
        return used_s(port) - before_port > 0.4

    before, before_port = used_s(process), used_s(port)
    eventually(knock, within_s=60)
    assert used_s(process) - before < 0.2
