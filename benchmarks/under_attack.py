"""Does a server under attack serve its administrators?  One server, attacked from several sides.

Run: ``python benchmarks/under_attack.py [--silent N] [--readers N] [--seconds S]``.

An administrator creates a ConfigMap and reads it back, fifty times a second, and watches; alone
first, then beside connections that say nothing, readers that take nothing of a list of 10 MiB, a
node that does all that a node can do as fast as it can, and the holder of a join token who does the
same at the join port.  Told are the administrator's latencies, the server's memory, and whether
anything was lost or ended: an acknowledged object, an event of the watch, a process.  Then, and if
a call of the administrator failed, it ends with a status of 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import random
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "devtools"))

from local_cluster.server_process import ServerProcess, running
from podraft.api import kinds
from podraft.api.core.v1.config_pb2 import ConfigMap
from podraft.api.events.v1.event_pb2 import Event
from podraft.api.meta.v1 import requests_pb2
from podraft.client.client import Client
from podraft.client.config import SERVER_NAME, ClusterConfig
from podraft.client.errors import ApiError
from suite.figures import percentile
from support.attackers import JOIN_NODE, as_identity, join_node
from support.raw_http2 import RawConnection, message, tls_context
from support.waiting import eventually_async

_PAUSE_S = 0.02
_LARGE = 14, 750_000


def config_map(name: str, size: int = 200) -> ConfigMap:
    """Return an object of about ``size`` bytes."""
    result = ConfigMap()
    result.metadata.name, result.metadata.namespace = name, "default"
    result.data["key"] = "x" * size
    return result


@dataclass(slots=True)
class Told:
    """What the administrator saw."""

    latencies_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    watch_ends: int = 0

    def line(self, what: str) -> str:
        """Return the figures as a line."""
        p50, p99 = (percentile(self.latencies_s, q) * 1e3 for q in (0.5, 0.99))
        return (
            f"{what:8} calls={len(self.latencies_s)} p50={p50:.1f} ms p99={p99:.1f} ms "
            f"max={max(self.latencies_s) * 1e3:.0f} ms failed={len(self.failures)}"
        )


async def administer(config: ClusterConfig, prefix: str, seconds: float) -> Told:
    """Create, read back and watch for so long."""
    told = Told()
    async with Client(config) as client:

        async def follow() -> None:
            version = ""
            while True:
                try:
                    async for events in client.config_maps.watch(
                        "default", resource_version=version
                    ):
                        for event in events:
                            told.seen.add(event.object.metadata.name)
                            version = event.object.metadata.resource_version or version
                except ApiError:
                    told.watch_ends += 1
                    await asyncio.sleep(0.2)

        watching = asyncio.create_task(follow())
        end_s = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end_s:
            name = f"{prefix}-{number}"
            number += 1
            began_s = time.perf_counter()
            try:
                await client.config_maps.create(config_map(name))
                told.acknowledged.add(name)
                await client.config_maps.get(name, "default")
            except ApiError as error:
                told.failures.append(str(error))
            told.latencies_s.append((time.perf_counter() - began_s) / 2)
            await asyncio.sleep(_PAUSE_S)
        with contextlib.suppress(AssertionError):
            await eventually_async(lambda: told.acknowledged <= told.seen, within_s=10)
        watching.cancel()
    return told


# The attackers, each a process.


def silent(port: int, number: int) -> None:
    """Keep so many connections open that say nothing, and open others for those that end."""
    held: list[socket.socket] = []
    while True:
        for each in held[: len(held) // 10]:
            each.close()
        del held[: len(held) // 10]
        while len(held) < number:
            try:
                held.append(socket.create_connection(("127.0.0.1", port), timeout=1))
            except OSError:
                break
        time.sleep(1)


def slow_readers(port: int, config: ClusterConfig, number: int) -> None:
    """Ask for large lists and watches, and take nothing of them."""
    context = tls_context(
        config.certificate_authority, config.client_certificate, config.client_key
    )
    listing = message(requests_pb2.ListRequest(namespace="default").SerializeToString())
    held: list[RawConnection] = []
    while True:
        held = [each for each in held if not each.is_closed()]
        while len(held) < number:
            try:
                connection = RawConnection(("127.0.0.1", port), context)
                verb = "Watch" if len(held) % 4 == 3 else "List"
                connection.begin(kinds.CONFIG_MAP.method(verb).encode(), listing, end=True)
            except OSError:
                break
            held.append(connection)
        time.sleep(1)


def flooding_node(port: int, config: ClusterConfig, name: str) -> None:
    """Do what a node can do, as fast as it can: lists, events, watches, unfinished requests."""
    asyncio.run(_flood(port, config, name))


async def _flood(port: int, config: ClusterConfig, name: str) -> None:
    credentials = grpc.ssl_channel_credentials(
        config.certificate_authority, config.client_key, config.client_certificate
    )
    options = [("grpc.ssl_target_name_override", SERVER_NAME)]

    def event() -> bytes:
        made = Event(reason="Flood", action="Flood", reporting_controller="podraft/agent")
        made.reporting_instance, made.note = name, "x" * 900
        made.metadata.name = f"flood-{random.getrandbits(60):x}"
        made.metadata.namespace = made.regarding.namespace = "default"
        made.regarding.kind, made.regarding.name = "Pod", "a"
        return kinds.EVENT.create_request(event=made).SerializeToString()

    def listing() -> bytes:
        return requests_pb2.ListRequest().SerializeToString()

    async def call(channel: grpc.aio.Channel, method: str, request: Callable[[], bytes]) -> None:
        unary: Any = channel.unary_unary(method)
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await unary(request(), timeout=20)
            await asyncio.sleep(0)

    async def watch(channel: grpc.aio.Channel) -> None:
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                method: Any = channel.unary_stream(kinds.SERVICE.method("Watch"))
                async for _ in method(listing()):
                    pass
            await asyncio.sleep(0.1)

    async with grpc.aio.secure_channel(
        f"127.0.0.1:{port}", credentials, options=options
    ) as channel:
        unfinished = asyncio.to_thread(_unfinished, port, config)
        await asyncio.gather(
            unfinished,
            *(call(channel, kinds.SERVICE.method("List"), listing) for _ in range(100)),
            *(call(channel, kinds.EVENT.method("Create"), event) for _ in range(100)),
            *(watch(channel) for _ in range(1_500)),
        )


def _unfinished(port: int, config: ClusterConfig) -> None:
    context = tls_context(
        config.certificate_authority, config.client_certificate, config.client_key
    )
    held: list[RawConnection] = []
    while True:
        held = [each for each in held if not each.is_closed()]
        while len(held) < 100:
            try:
                connection = RawConnection(("127.0.0.1", port), context)
                create = kinds.EVENT.method("Create").encode()
                for _ in range(10):
                    connection.begin(create, message(b"x" * 6_000, claimed=8_000_000))
            except OSError:
                break
            held.append(connection)
        time.sleep(0.5)


def token_holder(port: int, authority: bytes, token: str) -> None:
    """Join again and again on many connections, and leave requests unfinished."""
    credentials = grpc.ssl_channel_credentials(authority)
    context = tls_context(authority)
    held: list[RawConnection] = []
    while True:
        for _ in range(20):
            options = (
                ("grpc.ssl_target_name_override", SERVER_NAME),
                ("grpc.use_local_subchannel_pool", 1),
            )
            with (
                contextlib.suppress(grpc.RpcError),
                grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel,
            ):
                body = token.encode() + b"x" * 10_000
                join: Any = channel.unary_unary(JOIN_NODE)
                join(b"\x0a" + bytes((80,)) + body[:80], timeout=2)
        held = [each for each in held if not each.is_closed()]
        with contextlib.suppress(OSError):
            while len(held) < 200:
                connection = RawConnection(("127.0.0.1", port), context)
                connection.begin(JOIN_NODE.encode(), message(b"x" * 5_000, claimed=60_000))
                held.append(connection)


def attackers(server: ServerProcess, given: argparse.Namespace) -> list[multiprocessing.Process]:
    """Return the attackers, not started."""
    config = server.config()

    async def token() -> str:
        async with Client(config) as client:
            return (await client.create_join_token(3600)).token

    node = as_identity(
        config,
        join_node(server.join_port, config.certificate_authority, asyncio.run(token()), "flood"),
    )
    jobs: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
        (silent, (server.port, given.silent)),
        (slow_readers, (server.port, config, given.readers)),
        (flooding_node, (server.port, node, "flood")),
        (token_holder, (server.join_port, config.certificate_authority, asyncio.run(token()))),
    ]
    spawning = multiprocessing.get_context("spawn")
    return [spawning.Process(target=job, args=args, daemon=True) for job, args in jobs]  # type: ignore[misc]  # the same class


async def fill(config: ClusterConfig) -> None:
    """Make a kind of 10 MiB."""
    number, size = _LARGE
    async with Client(config) as client:
        for index in range(number):
            await client.config_maps.create(config_map(f"large-{index}", size))


async def names(config: ClusterConfig) -> set[str]:
    """Return what is there, page by page."""
    async with Client(config) as client:
        listed = await client.config_maps.list("default")
    return {each.metadata.name for each in listed.items}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--silent", type=int, default=2_000)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    with running(components="all") as server:
        assert server.process is not None
        process = psutil.Process(server.process.pid)
        config = server.config()
        asyncio.run(fill(config))
        alone = asyncio.run(administer(config, "alone", given.seconds / 2))
        rss_alone = process.memory_info().rss
        children = {child.pid for child in process.children()}
        attacking = attackers(server, given)
        for each in attacking:
            each.start()
        time.sleep(3)
        most = [0]

        async def measured() -> Told:
            async def look() -> None:
                while True:
                    most[0] = max(most[0], process.memory_info().rss)
                    await asyncio.sleep(0.2)

            looking = asyncio.create_task(look())
            try:
                return await administer(config, "attacked", given.seconds)
            finally:
                looking.cancel()

        attacked = asyncio.run(measured())
        alive = sum(each.is_alive() for each in attacking)
        for each in attacking:
            each.kill()
        there = asyncio.run(names(config))
        lost = (alone.acknowledged | attacked.acknowledged) - there
        unseen = attacked.acknowledged - attacked.seen
        gone = children - {child.pid for child in process.children()}
        print(alone.line("alone"))
        print(attacked.line("attacked"))
        ratio = percentile(attacked.latencies_s, 0.99) / percentile(alone.latencies_s, 0.99)
        print(f"p99 attacked / alone: {ratio:.1f}")
        print(f"server's memory: {rss_alone >> 20} MiB alone, {most[0] >> 20} MiB at most attacked")
        print(
            f"lost objects={len(lost)} unseen events={len(unseen)} ended: server="
            f"{int(server.process.poll() is not None)} components={len(gone)} "
            f"administrator's watches={attacked.watch_ends}; attackers alive={alive} of 4"
        )
        for failure in attacked.failures[:3]:
            print("failed:", failure)
        if lost or unseen or gone or attacked.failures or server.process.poll() is not None:
            sys.exit("something was lost, ended or refused")


if __name__ == "__main__":
    main()
