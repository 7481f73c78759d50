"""Connections in numbers, from raw sockets: the server goes on, and nothing of it ends."""

import asyncio
import datetime
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import grpc
import psutil
import pytest

from local_cluster.server_process import ServerProcess, running
from podraft.agent.streams.service import NodeAgentService, make_server
from podraft.api import kinds
from podraft.api.core.v1.config_pb2 import ConfigMap
from podraft.api.core.v1.pod_streams_pb2 import ExecPodRequest
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.client import Client
from podraft.server.auth.certificates import CertificateAuthority, node_server_name
from podraft.server.auth.identity import API_SERVER, MASTERS, Identity
from podraft.server.rpc.server import OPTIONS
from support.attackers import node_pair
from support.raft_cluster import free_ports
from support.raw_http2 import (
    HEADERS,
    PREFACE,
    SETTINGS,
    RawConnection,
    frame,
    is_closed,
    message,
    tls_context,
)
from support.waiting import eventually

EXEC = "/podraft.internal.node.v1.NodeAgentService/Exec"


@pytest.fixture(scope="module")
def server():
    with running() as process:
        yield process


@pytest.fixture
def connect(server):
    """What makes a connection with the administrator's certificate."""
    config = server.config()
    context = tls_context(
        config.certificate_authority, config.client_certificate, config.client_key
    )
    connections = []

    def connect():
        connections.append(RawConnection(("127.0.0.1", server.port), context))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


def as_admin(server, scenario):
    async def main():
        async with Client(server.config()) as client:
            return await scenario(client)

    return asyncio.run(main())


def config_map(name, size=10):
    result = ConfigMap()
    result.metadata.name, result.metadata.namespace = name, "default"
    result.data["key"] = "x" * size
    return result


def silent(port, number):
    return [socket.create_connection(("127.0.0.1", port)) for _ in range(number)]


def test_silent_connections_of_one_address_go_and_a_client_from_there_is_served(server):
    sockets = silent(server.port, 400)
    try:
        # Beyond 128 the oldest go at once; all others when their time for a handshake is over.
        eventually(lambda: sum(map(is_closed, sockets)) >= 272, within_s=8)
        as_admin(server, lambda client: client.config_maps.create(config_map("beside-silent")))
        eventually(lambda: all(map(is_closed, sockets)), within_s=20)
    finally:
        for each in sockets:
            each.close()


def test_a_connection_with_a_certificate_that_calls_nothing_goes(connect):
    connection = connect()
    eventually(connection.is_closed, within_s=20)


def test_a_connection_that_calls_no_more_goes_after_its_time():
    idle = "grpc.max_connection_idle_ms"
    assert dict(OPTIONS)[idle] == 600_000

    async def main():
        # The same server, less patient.
        server = grpc.aio.server(options=tuple({**dict(OPTIONS), idle: 1_000}.items()))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(SETTINGS, 1, 0, b""))
        async with asyncio.timeout(20):
            while await reader.read(65_536):
                pass
        writer.close()
        await server.stop(0)

    asyncio.run(main())


def test_with_few_descriptors_connections_take_none_of_the_store(tmp_path):
    server = ServerProcess(tmp_path / "data")
    server.launcher = ("prlimit", "--nofile=300:300")
    with server:
        sockets = silent(server.port, 400)

        async def fill(client):
            # More than a segment of the log.
            for number in range(70):
                await client.config_maps.create(config_map(f"c-{number}", 1_000_000))
            return len((await client.config_maps.list("default")).items)

        assert as_admin(server, fill) == 70
        assert server.process.poll() is None
        for each in sockets:
            each.close()


def test_the_soft_limit_is_raised_to_the_hard_one(server):
    soft, hard = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft == hard


def test_the_store_writes_on_when_the_process_has_no_descriptor_left(tmp_path):
    script = Path(__file__).parents[1] / "support" / "exhausted_store.py"
    done = subprocess.run(
        [sys.executable, script, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "segments were made" in done.stdout


@pytest.mark.parametrize("path", [b"/\xff\xfe", b"\xc3", b"/" + b"\xf0\x28\x8c\x28" * 40])
def test_a_path_that_is_no_text_is_a_method_that_is_not_there(server, connect, path):
    connection = connect()
    connection.begin(path, message(b""), end=True)
    answers = [payload for kind, _, payload in connection.frames(2) if kind == HEADERS]
    assert answers
    assert b"grpc-status\x0212" in answers[0]
    as_admin(server, lambda client: client.namespaces.list())


def test_unfinished_requests_take_little_and_go(server, connect):
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    create = kinds.CONFIG_MAP.method("Create").encode()
    connections = []
    for _ in range(100):
        connection = connect()
        # As much as a stream may send unread: for more, it would be ended, and not its connection.
        connection.begin(create, message(b"x" * 15_000, claimed=8_000_000))
        connections.append(connection)
    as_admin(server, lambda client: client.namespaces.list())
    assert process.memory_info().rss - before < 120 * 2**20
    eventually(lambda: all(each.is_closed() for each in connections), within_s=90)


def test_readers_that_stand_still_share_a_bounded_room(server, connect):
    async def fill(client):
        for number in range(12):
            await client.config_maps.create(config_map(f"large-{number}", 800_000))

    as_admin(server, fill)
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    request = message(requests_pb2.ListRequest(namespace="default").SerializeToString())
    for _ in range(100):
        connect().begin(kinds.CONFIG_MAP.method("List").encode(), request, end=True)
    for method in ("Watch", "List"):
        connect().begin(kinds.CONFIG_MAP.method(method).encode(), request, end=True)
    as_admin(server, lambda client: client.namespaces.list())
    assert process.memory_info().rss - before < 300 * 2**20
    # Whoever reads gets its list meanwhile, when the first of the others have had their time.
    listed = as_admin(server, lambda client: client.config_maps.list("default"))
    assert len(listed.items) >= 12


def test_silent_connections_to_the_metrics_take_few_threads_and_no_scrape(tmp_path):
    (port,) = free_ports(1)
    with running([f"--metrics-listen=127.0.0.1:{port}"]) as server:
        process = psutil.Process(server.process.pid)
        threads = process.num_threads()
        connections = silent(port, 300)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
                assert b"podraft_ready 1.0" in page.read()
            eventually(lambda: process.num_threads() - threads < 50, within_s=5)
            # The newest stay for a while, and go, too.
            eventually(lambda: is_closed(connections[-1]), within_s=20)
        finally:
            for connection in connections:
                connection.close()
        log = server.log()
    assert "Traceback" not in log, log[max(log.find("Traceback") - 500, 0) :]


def test_silent_connections_to_an_agent_go_and_the_api_server_is_heard():
    """From one address, as of a container: they take few places, and none for long."""
    authority = CertificateAuthority.create(datetime.datetime.now(datetime.UTC))
    own = node_pair(authority, "n1")
    identity = Identity(API_SERVER, frozenset({MASTERS}))
    api_server = authority.issue_client(identity, datetime.datetime.now(datetime.UTC))
    (port,) = free_ports(1)

    async def main() -> None:
        service = NodeAgentService(None)  # type: ignore[arg-type]  # no call gets so far
        address = f"127.0.0.1:{port}"
        server = make_server(service, own.certificate, own.key, authority.certificate, address)
        await server.start()
        service.connections.start((port,))
        sockets = await asyncio.to_thread(silent, port, 400)
        try:
            credentials = grpc.ssl_channel_credentials(
                authority.node_trust, api_server.key, api_server.certificate
            )
            options = (("grpc.ssl_target_name_override", node_server_name("n1")),)
            async with grpc.aio.secure_channel(address, credentials, options) as channel:
                call = channel.stream_stream(EXEC)
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await call(iter((ExecPodRequest(stdin=b"x").SerializeToString(),))).read()
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            gone = lambda number: sum(map(is_closed, sockets)) >= number  # noqa: E731
            await asyncio.to_thread(eventually, lambda: gone(272), within_s=4)
            await asyncio.to_thread(eventually, lambda: gone(400), within_s=15)
        finally:
            for each in sockets:
                each.close()
            await service.connections.stop()
            await server.stop(0)

    asyncio.run(main())


def test_what_clients_do_leaves_no_traceback(server):
    log = server.log()
    assert "Traceback" not in log, log[max(log.find("Traceback") - 500, 0) :]
