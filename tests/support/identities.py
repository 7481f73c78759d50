"""Everyone who can talk to a server, and raw calls as any of them."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.protobuf.message import Message

from local_cluster.server_process import ServerProcess
from podraft.agent.node.join import IdentityStore, join
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig
from podraft.server.auth.identity import Identity
from podraft.server.auth.pki import ensure_pki

NODE, OTHER_NODE, STRANGER = "node-a", "node-b", "ann"


@dataclass(frozen=True)
class Answer:
    """The end of a call: its status, its message or what is wrong, and the bytes that came."""

    code: grpc.StatusCode
    details: str = ""
    data: bytes = b""
    trailers: bytes = b""

    @property
    def told(self) -> bytes:
        """Everything that the caller learns."""
        return self.details.encode() + self.data + self.trailers


class Speaker:
    """A connection with one identity's certificate; calls take and give bytes."""

    def __init__(self, config: ClusterConfig) -> None:
        credentials = grpc.ssl_channel_credentials(
            config.certificate_authority, config.client_key, config.client_certificate
        )
        options = (("grpc.ssl_target_name_override", config.server_name),)
        self.channel = grpc.aio.secure_channel(config.servers[0], credentials, options)

    async def ask(self, method: str, request: Message | bytes, timeout_s: float = 30) -> Answer:
        """Make a unary call."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(method)
        try:
            answer = await call(data, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return _refused(error)
        return Answer(grpc.StatusCode.OK, data=answer)

    async def stream(
        self, method: str, *requests: Message | bytes, count: int = 1, timeout_s: float = 30
    ) -> Answer:
        """Make a call that streams both ways; return after ``count`` messages, or at its end."""
        encoded = [r if isinstance(r, bytes) else r.SerializeToString() for r in requests]
        made: grpc.aio.StreamStreamMultiCallable[bytes, bytes]
        made = self.channel.stream_stream(method)
        call = made(iter(encoded), timeout=timeout_s)
        received = []
        try:
            async for message in call:
                received.append(message)
                if len(received) >= count:
                    break
        except grpc.aio.AioRpcError as error:
            return _refused(error)
        finally:
            call.cancel()
        return Answer(grpc.StatusCode.OK, data=b"".join(received))


def _refused(error: grpc.aio.AioRpcError) -> Answer:
    trailers = b"".join(
        value if isinstance(value, bytes) else value.encode()
        for _, value in error.trailing_metadata() or ()
    )
    return Answer(error.code(), error.details() or "", trailers=trailers)


def everyone(server: ServerProcess, directory: Path) -> dict[str, ClusterConfig]:
    """Return each identity's configuration: joined nodes, components, and one without rights."""
    configs = {name: server.config(name) for name in ("admin", "scheduler", "controllers")}
    for name in (NODE, OTHER_NODE):
        configs[name] = asyncio.run(_joined(server, directory / name, name))
    authority = ensure_pki(server.data_dir / "pki", addresses=()).authority
    now = datetime.datetime.now(datetime.UTC)
    pair = authority.issue_client(Identity(STRANGER, frozenset({"devs"})), now)
    admin = configs["admin"]
    configs[STRANGER] = ClusterConfig(
        admin.servers, admin.certificate_authority, pair.certificate, pair.key
    )
    return configs


async def _joined(server: ServerProcess, directory: Path, name: str) -> ClusterConfig:
    async with Client(server.config()) as client:
        token = await client.create_join_token(600)
    store = IdentityStore(directory)
    identity = await join(store, f"127.0.0.1:{server.join_port}", token.token, name)
    return identity.config((server.address,))


def speaking(
    configs: Mapping[str, ClusterConfig],
    scenario: Callable[[Mapping[str, Speaker]], Awaitable[None]],
) -> None:
    """Run ``scenario`` with a connection of each identity."""

    async def main() -> None:
        speakers = {name: Speaker(config) for name, config in configs.items()}
        try:
            await scenario(speakers)
        finally:
            for speaker in speakers.values():
                await speaker.channel.close()

    asyncio.run(main())
