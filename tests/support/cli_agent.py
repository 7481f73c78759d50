"""An agent for the CLI's tests: the real contract, real processes and terminals, no containers."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import fcntl
import os
import socket
import struct
import termios
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import grpc.aio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from podraft.agent.streams import port_session
from podraft.api import codec
from podraft.api.core.v1 import pod_streams_pb2
from podraft.client.calls.client import Client
from podraft.internal.node.v1 import node_agent_pb2_grpc
from podraft.server.auth.pki import ensure_pki
from podraft.server.auth.signing_requests import new_request
from support.cli_server import CliServer

# The output of the container `main` before its restart; `side` has never been restarted.
PREVIOUS = b"\xff\x85 one\rtwo\x0b\0\r\n\x1b[31m\n\xe2\x80\xa8no end \n\n" + bytes(range(256))


class _Agent(node_agent_pb2_grpc.NodeAgentServiceServicer):
    async def StreamLogs(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - gRPC's name
        if request.previous and request.container == "side":
            await context.abort(grpc.StatusCode.NOT_FOUND, "it has no previous attempt")
        if request.previous:
            for at in range(0, len(PREVIOUS), 7):
                yield pod_streams_pb2.StreamPodLogsResponse(data=PREVIOUS[at : at + 7])
            return
        tail = request.tail_lines if request.HasField("tail_lines") else 3
        for number in range(3 - tail, 3):
            line = f"{request.container} line {number}\n".encode()
            yield pod_streams_pb2.StreamPodLogsResponse(data=line)

    async def ForwardPort(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - gRPC's name
        start = (await anext(aiter(requests))).start
        try:
            pod = socket.create_connection(("127.0.0.1", start.port), 5)
        except OSError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error.strerror))
            return
        async for answer in port_session.run(pod, requests):
            yield answer

    async def Exec(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - gRPC's name
        start = (await anext(aiter(requests))).start
        answers: asyncio.Queue[Any] = asyncio.Queue(64)
        run = _with_terminal if start.tty else _with_pipes
        running = asyncio.create_task(run(start, requests, answers))
        while not (answer := await answers.get()).HasField("exit_code"):
            yield answer
        yield answer
        await running


async def _with_pipes(
    start: Any, requests: AsyncIterator[Any], answers: asyncio.Queue[Any]
) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *start.command, stdin=pipe, stdout=pipe, stderr=pipe
    )

    async def copy(stream: Any, field: str) -> None:
        while data := await stream.read(65536):
            await answers.put(pod_streams_pb2.ExecPodResponse(**{field: data}))

    async def feed() -> None:
        assert process.stdin is not None
        if start.stdin:
            async for request in requests:
                if request.stdin_closed:
                    break
                process.stdin.write(request.stdin)
                with contextlib.suppress(ConnectionError):  # It need not read all of it.
                    await process.stdin.drain()
        process.stdin.close()

    feeding = asyncio.create_task(feed())
    await asyncio.gather(copy(process.stdout, "stdout"), copy(process.stderr, "stderr"))
    feeding.cancel()
    code = await process.wait()
    await answers.put(pod_streams_pb2.ExecPodResponse(exit_code=code))


async def _with_terminal(
    start: Any, requests: AsyncIterator[Any], answers: asyncio.Queue[Any]
) -> None:
    ours, theirs = os.openpty()
    _resize(ours, start.size)
    process = await asyncio.create_subprocess_exec(
        *start.command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)

    async def feed() -> None:
        async for request in requests:
            if request.HasField("resize"):
                _resize(ours, request.resize)
            elif request.stdin:
                os.write(ours, request.stdin)

    feeding = asyncio.create_task(feed())
    with contextlib.suppress(OSError):  # Reading fails once the last user is gone.
        while data := await asyncio.to_thread(os.read, ours, 65536):
            await answers.put(pod_streams_pb2.ExecPodResponse(stdout=data))
    feeding.cancel()
    code = await process.wait()
    os.close(ours)
    await answers.put(pod_streams_pb2.ExecPodResponse(exit_code=code))


def _resize(descriptor: int, size: Any) -> None:
    packed = struct.pack("HHHH", size.rows, size.columns, 0, 0)
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, packed)


@contextlib.contextmanager
def cli_agent(server: CliServer, node_name: str) -> Iterator[None]:
    """Run an agent, with its node and a pod ``web`` on it, until the end of the block."""
    ready, stop = threading.Event(), threading.Event()

    async def main() -> None:
        listener = grpc.aio.server()
        node_agent_pb2_grpc.add_NodeAgentServiceServicer_to_server(_Agent(), listener)
        pki = ensure_pki(server.process.data_dir / "pki", addresses=())
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        certificate = pki.authority.sign_node(new_request(key), node_name, now)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        credentials = grpc.ssl_server_credentials(
            [(pem, certificate)], pki.certificate_authority, require_client_auth=True
        )
        port = listener.add_secure_port("127.0.0.1:0", credentials)
        await listener.start()
        async with Client(server.process.config()) as client:
            await _register(client, node_name, port)
        ready.set()
        await asyncio.to_thread(stop.wait)
        await listener.stop(0)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert ready.wait(30), "the agent did not start"
        yield
    finally:
        stop.set()
        thread.join(30)


async def _register(client: Client, node_name: str, port: int) -> None:
    node = await client.nodes.create(
        _object({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node_name}})
    )
    node.status.addresses.add(type="InternalIP", address="127.0.0.1")
    node.status.daemon_endpoints.kubelet_endpoint.port = port
    await client.nodes.update_status(node)
    containers = [{"name": name, "image": "none"} for name in ("main", "side")]
    metadata = {"name": "web", "namespace": "default", "labels": {"app": "web"}}
    spec = {"nodeName": node_name, "containers": containers}
    await client.pods.create(
        _object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    )


def _object(value: dict[str, Any]) -> Any:
    return codec.from_json(value)
