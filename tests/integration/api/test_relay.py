"""Logs and exec through the server: message by message, both ways, to the right agent."""

import asyncio
import datetime
from contextlib import asynccontextmanager

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from local_cluster.server_process import running
from podraft.api import kinds
from podraft.api.core.v1 import pod_streams_pb2
from podraft.client.calls.client import Client
from podraft.client.errors import InvalidError, NotFoundError
from podraft.internal.node.v1 import node_agent_pb2_grpc
from podraft.server.auth.certificates import KeyPair
from podraft.server.auth.pki import ensure_pki
from podraft.server.auth.signing_requests import new_request
from support.api_objects import example
from support.waiting import eventually_async


class Agent(node_agent_pb2_grpc.NodeAgentServiceServicer):
    """Speaks the agents' contract; what it runs is an echo."""

    def __init__(self):
        self.sent = 0
        self.cancelled = asyncio.Event()
        self.callers = set()

    # Coroutines that write, as grpc.aio allows; the generated types know generators only.
    async def StreamLogs(self, request, context):  # type: ignore[override]  # noqa: N802 - gRPC's
        self.callers.add(context.auth_context()["x509_common_name"][0])
        if request.container == "main" and request.follow:
            try:
                while True:
                    await context.write(pod_streams_pb2.StreamPodLogsResponse(data=b"x" * 65536))
                    self.sent += 65536
            finally:
                self.cancelled.set()
        for line in (b"one\n", b"two\n"):
            await context.write(pod_streams_pb2.StreamPodLogsResponse(data=line))
        if request.previous:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there was no previous run")

    async def ForwardPort(self, requests, context):  # type: ignore[override]  # noqa: N802 - gRPC's
        async for request in requests:
            match request.WhichOneof("input"):
                case "start":
                    await context.write(pod_streams_pb2.ForwardPodPortResponse(connected=True))
                case "data":
                    data = request.data.upper()
                    await context.write(pod_streams_pb2.ForwardPodPortResponse(data=data))
                case "closed":
                    await context.write(pod_streams_pb2.ForwardPodPortResponse(closed=True))
                    return

    async def Exec(self, requests, context):  # type: ignore[override]  # noqa: N802 - gRPC's
        async for request in requests:
            match request.WhichOneof("input"):
                case "start":
                    text = f"{request.start.container}:{' '.join(request.start.command)}"
                    await context.write(pod_streams_pb2.ExecPodResponse(stdout=text.encode()))
                case "stdin":
                    await context.write(pod_streams_pb2.ExecPodResponse(stderr=request.stdin))
                case "stdin_closed":
                    await context.write(pod_streams_pb2.ExecPodResponse(exit_code=7))
                    return


@pytest.fixture(scope="module")
def server():
    with running() as process:
        yield process


def node_pair(pki, name):
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = pki.authority.sign_node(
        new_request(key), name, datetime.datetime.now(datetime.UTC)
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return KeyPair(certificate, pem)


@asynccontextmanager
async def agent_of(server, client, node_name):
    """An agent on loopback, its node and a pod ``web`` on it."""
    pki = ensure_pki(server.data_dir / "pki", addresses=())
    pair = node_pair(pki, node_name)
    agent, listener = Agent(), grpc.aio.server()
    node_agent_pb2_grpc.add_NodeAgentServiceServicer_to_server(agent, listener)
    credentials = grpc.ssl_server_credentials(
        [(pair.key, pair.certificate)], pki.certificate_authority, True
    )
    port = listener.add_secure_port("127.0.0.1:0", credentials)
    await listener.start()
    node = await client.nodes.create(example(kinds.NODE, node_name))
    node.status.addresses.add(type="InternalIP", address="127.0.0.1")
    node.status.daemon_endpoints.kubelet_endpoint.port = port
    await client.nodes.update_status(node)
    pod = example(kinds.POD, f"on-{node_name}")
    pod.spec.node_name = node_name
    await client.pods.create(pod)
    try:
        yield agent
    finally:
        await listener.stop(0)


def with_agent(server, node_name, scenario):
    async def main():
        async with Client(server.config()) as client, agent_of(server, client, node_name) as agent:
            async with asyncio.timeout(20):
                await scenario(client, agent)

    asyncio.run(main())


def logs_request(node_name, **more):
    return pod_streams_pb2.StreamPodLogsRequest(namespace="default", name=f"on-{node_name}", **more)


def test_logs_pass_through(server):
    async def scenario(client, agent):
        data = [piece async for piece in client.pod_logs(logs_request("logs"))]
        assert b"".join(data) == b"one\ntwo\n"
        assert agent.callers == {b"system:apiserver"}
        received = []
        with pytest.raises(NotFoundError, match="no previous run"):
            async for piece in client.pod_logs(logs_request("logs", previous=True)):
                received.append(piece)  # noqa: PERF401 - the failure comes after the pieces
        assert b"".join(received) == b"one\ntwo\n"

    with_agent(server, "logs", scenario)


def test_a_slow_reader_slows_the_agent_and_leaving_ends_it(server):
    async def scenario(client, agent):
        stream = client.pod_logs(logs_request("slow", follow=True))
        await anext(stream)
        before = -1
        # The agent stalls when the buffers between here and there are full.
        while agent.sent != before:
            before = agent.sent
            await asyncio.sleep(0.3)
        assert agent.sent < 64 * 1024 * 1024
        await stream.aclose()
        await eventually_async(agent.cancelled.is_set)

    with_agent(server, "slow", scenario)


def test_exec_passes_input_output_and_the_exit_code(server):
    async def scenario(client, agent):
        async def requests():
            start = pod_streams_pb2.ExecStart(
                namespace="default", name="on-exec", command=["cat", "-n"], stdin=True
            )
            yield pod_streams_pb2.ExecPodRequest(start=start)
            yield pod_streams_pb2.ExecPodRequest(stdin=b"hello")
            yield pod_streams_pb2.ExecPodRequest(stdin_closed=True)

        answers = [answer async for answer in client.exec_pod(requests())]
        assert [answer.WhichOneof("output") for answer in answers] == [
            "stdout",
            "stderr",
            "exit_code",
        ]
        assert answers[0].stdout == b"main:cat -n"
        assert answers[1].stderr == b"hello"
        assert answers[2].exit_code == 7

    with_agent(server, "exec", scenario)


def test_exec_must_begin_with_start(server):
    async def scenario(client, agent):
        async def requests():
            yield pod_streams_pb2.ExecPodRequest(stdin=b"hello")

        with pytest.raises(InvalidError, match="start"):
            async for _ in client.exec_pod(requests()):
                pass

    with_agent(server, "start", scenario)


def test_a_forwarded_port_passes_both_ways_and_is_one_of_a_pods(server):
    async def scenario(client, agent):
        def requests(*, port=80):
            async def sent():
                start = pod_streams_pb2.ForwardStart(
                    namespace="default", name="on-ports", port=port
                )
                yield pod_streams_pb2.ForwardPodPortRequest(start=start)
                if port == 80:
                    yield pod_streams_pb2.ForwardPodPortRequest(data=b"hello")
                    yield pod_streams_pb2.ForwardPodPortRequest(closed=True)

            return sent()

        received = [answer async for answer in client.forward_pod_port(requests())]
        kinds_ = [answer.WhichOneof("output") for answer in received]
        assert kinds_ == ["connected", "data", "closed"]
        assert received[1].data == b"HELLO"
        for port in (0, -1, 65536):
            with pytest.raises(InvalidError, match="65535"):
                await anext(client.forward_pod_port(requests(port=port)))

    with_agent(server, "ports", scenario)
