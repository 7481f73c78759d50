"""Does a server under attack serve its administrators?  One server, attacked from several sides.

Run: ``python benchmarks/under_attack.py [--silent N] [--readers N] [--seconds S]``.

An administrator creates a ConfigMap and reads it back, fifty times a second, and watches; alone
first, then beside connections that say nothing, readers that take nothing of a list of 10 MiB, a
node that does all that a node can do as fast as it can, and the holder of a join token who does the
same at the join port.  Told are the administrator's latencies, the server's memory, what the attack
got done, and whether anything was lost or ended: an acknowledged object, an event of the watch, the
watch, a process.  Then, and if a call of the administrator failed, it ends with a status of 1.

All attackers are threads of one process of a lower priority: on a machine that they share with the
server and the administrator, the figures tell of the server and not of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import random
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, MutableSequence
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
from podraft.client.calls.client import Client
from podraft.client.connecting.config import SERVER_NAME, ClusterConfig
from podraft.client.errors import ApiError
from suite.figures import percentile
from support.attackers import JOIN_NODE, as_identity, join_node
from support.raw_http2 import RawConnection, is_closed, message, tls_context
from support.waiting import eventually, eventually_async

_PAUSE_S = 0.02
_LARGE = 14, 750_000
_NICE = 5
# The attackers' counters.
_CALLS, _REFUSED, _CONNECTED = range(3)


def config_map(name: str, size: int = 200) -> ConfigMap:
    """Return an object of about ``size`` bytes."""
    result = ConfigMap()
    result.metadata.name, result.metadata.namespace = name, "default"
    result.data["key"] = "x" * size
    return result


@dataclass(slots=True)
class Told:
    """The administrator's measurements."""

    latencies_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    watch_ends: int = 0

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Record how long a call takes, even if it fails."""
        began_s = time.perf_counter()
        try:
            yield
        finally:
            self.latencies_s.append(time.perf_counter() - began_s)

    def line(self, what: str) -> str:
        """Return the figures as a line."""
        p50, p99 = (percentile(self.latencies_s, q) * 1e3 for q in (0.5, 0.99))
        return (
            f"{what:8} calls={len(self.latencies_s)} p50={p50:.1f} ms p99={p99:.1f} ms "
            f"max={max(self.latencies_s) * 1e3:.0f} ms failed={len(self.failures)}"
        )


async def administer(config: ClusterConfig, prefix: str, seconds: float) -> Told:
    """Create, read back and watch for ``seconds``."""
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
            try:
                with told.timed():
                    await client.config_maps.create(config_map(name))
                told.acknowledged.add(name)
                with told.timed():
                    await client.config_maps.get(name, "default")
            except ApiError as error:
                told.failures.append(str(error))
            await asyncio.sleep(_PAUSE_S)
        with contextlib.suppress(AssertionError):
            await eventually_async(lambda: told.acknowledged <= told.seen, within_s=10)
        watching.cancel()
    return told


# The attackers, each a thread of one process.


@dataclass(frozen=True, slots=True)
class Target:
    """The target of the attack, and the credentials for it."""

    port: int
    join_port: int
    admin: ClusterConfig
    node: ClusterConfig
    token: str
    silent: int
    readers: int
    counts: MutableSequence[int]

    def connect(self, context: ssl.SSLContext) -> RawConnection:
        """Connect to the API.

        Raises:
            OSError: The connection failed.
        """
        self.counts[_CONNECTED] += 1
        return RawConnection(("127.0.0.1", self.port), context)


def context_of(config: ClusterConfig) -> ssl.SSLContext:
    """Return a TLS context with the certificate of ``config``."""
    return tls_context(config.certificate_authority, config.client_certificate, config.client_key)


def attack(target: Target) -> None:
    """Run all attacks at once, until the process is killed."""
    os.nice(_NICE)
    for job in (silent, slow_readers, token_holder):
        threading.Thread(target=job, args=(target,), daemon=True).start()
    asyncio.run(flood(target))


def silent(target: Target) -> None:
    """Keep many silent connections open, and replace those that end."""
    held: list[socket.socket] = []
    while True:
        held = [each for each in held if not is_closed(each)]
        # Open all at once at first, then a tenth of them each second.
        wanted = min(target.silent, len(held) + target.silent // 10) if held else target.silent
        while len(held) < wanted:
            try:
                held.append(socket.create_connection(("127.0.0.1", target.port), timeout=1))
                target.counts[_CONNECTED] += 1
            except OSError:
                break
        time.sleep(1)


def slow_readers(target: Target) -> None:
    """Ask for large lists and watches, and read nothing of the answers."""
    context = context_of(target.admin)
    listing = message(requests_pb2.ListRequest(namespace="default").SerializeToString())
    held: list[RawConnection] = []
    while True:
        held = [each for each in held if not each.is_closed()]
        while len(held) < target.readers:
            try:
                connection = target.connect(context)
                verb = "Watch" if len(held) % 4 == 3 else "List"
                connection.begin(kinds.CONFIG_MAP.method(verb).encode(), listing, end=True)
            except OSError:
                break
            held.append(connection)
        time.sleep(1)


async def flood(target: Target) -> None:
    """Do what a node can do, as fast as it can: lists, events, watches."""
    config, name = target.node, "flood"
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
            try:
                await unary(request(), timeout=20)
                target.counts[_CALLS] += 1
            except grpc.aio.AioRpcError:
                target.counts[_REFUSED] += 1
            await asyncio.sleep(0)

    async def watch(channel: grpc.aio.Channel) -> None:
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                method: Any = channel.unary_stream(kinds.SERVICE.method("Watch"))
                async for _ in method(listing()):
                    pass
            target.counts[_REFUSED] += 1
            await asyncio.sleep(0.1)

    async with grpc.aio.secure_channel(
        f"127.0.0.1:{target.port}", credentials, options=options
    ) as channel:
        # Connect before this node has too many connections.
        await channel.channel_ready()
        first: Any = channel.unary_unary(kinds.SERVICE.method("List"))
        await first(listing())
        await asyncio.gather(
            asyncio.to_thread(unfinished, target),
            *(call(channel, kinds.SERVICE.method("List"), listing) for _ in range(100)),
            *(call(channel, kinds.EVENT.method("Create"), event) for _ in range(100)),
            *(watch(channel) for _ in range(1_500)),
        )


def unfinished(target: Target) -> None:
    """Begin large requests with the node's certificate, on many connections, and finish none."""
    context = context_of(target.node)
    create = kinds.EVENT.method("Create").encode()
    held: list[RawConnection] = []
    while True:
        held = [each for each in held if not each.is_closed()]
        while len(held) < 100:
            try:
                connection = target.connect(context)
                for _ in range(10):
                    connection.begin(create, message(b"x" * 6_000, claimed=8_000_000))
            except OSError:
                break
            held.append(connection)
        time.sleep(0.5)


def token_holder(target: Target) -> None:
    """Join again and again on many connections, and leave requests unfinished."""
    authority = target.admin.certificate_authority
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
                grpc.secure_channel(
                    f"127.0.0.1:{target.join_port}", credentials, options
                ) as channel,
            ):
                target.counts[_CONNECTED] += 1
                body = target.token.encode() + b"x" * 10_000
                join: Any = channel.unary_unary(JOIN_NODE)
                join(b"\x0a" + bytes((80,)) + body[:80], timeout=2)
        held = [each for each in held if not each.is_closed()]
        with contextlib.suppress(OSError):
            while len(held) < 200:
                target.counts[_CONNECTED] += 1
                connection = RawConnection(("127.0.0.1", target.join_port), context)
                connection.begin(JOIN_NODE.encode(), message(b"x" * 5_000, claimed=60_000))
                held.append(connection)


def target_of(
    server: ServerProcess, given: argparse.Namespace, counts: MutableSequence[int]
) -> Target:
    """Return the target of the attack."""
    config = server.config()

    async def token() -> str:
        async with Client(config) as client:
            return (await client.create_join_token(3600)).token

    node = as_identity(
        config,
        join_node(server.join_port, config.certificate_authority, asyncio.run(token()), "flood"),
    )
    return Target(
        server.port,
        server.join_port,
        config,
        node,
        asyncio.run(token()),
        given.silent,
        given.readers,
        counts,
    )


def processor_s(process: psutil.Process) -> float:
    """Return how many seconds of processor time a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def fill(config: ClusterConfig) -> None:
    """Create ConfigMaps of 10 MiB in sum."""
    number, size = _LARGE
    async with Client(config) as client:
        for index in range(number):
            await client.config_maps.create(config_map(f"large-{index}", size))


async def names(config: ClusterConfig) -> set[str]:
    """Return the names of the existing objects, read page by page."""
    async with Client(config) as client:
        listed = await client.config_maps.list("default")
    return {each.metadata.name for each in listed.items}


def main() -> None:
    """Measure and print."""
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
        alone = asyncio.run(administer(config, "alone", given.seconds))
        rss_alone = process.memory_info().rss
        children = {child.pid for child in process.children()}
        spawning = multiprocessing.get_context("spawn")
        counts = spawning.Array("q", 3, lock=False)
        attacking = spawning.Process(
            target=attack, args=(target_of(server, given, counts),), daemon=True
        )
        attacking.start()
        eventually(lambda: counts[_CALLS] > 100, within_s=60)
        begun, used_s = list(counts), processor_s(process)
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
        done = [(now - before) / given.seconds for before, now in zip(begun, counts, strict=True)]
        share = (processor_s(process) - used_s) / given.seconds
        alive = attacking.is_alive()
        attacking.kill()
        there = asyncio.run(names(config))
        lost = (alone.acknowledged | attacked.acknowledged) - there
        unseen = attacked.acknowledged - attacked.seen
        gone = children - {child.pid for child in process.children()}
        print(alone.line("alone"))
        print(attacked.line("attacked"))
        ratio = percentile(attacked.latencies_s, 0.99) / percentile(alone.latencies_s, 0.99)
        print(f"p99 attacked / alone: {ratio:.1f}")
        print(
            f"server: {rss_alone >> 20} MiB alone, {most[0] >> 20} MiB at most attacked, then "
            f"{share:.0%} of a processor; load of the machine {os.getloadavg()[0]:.1f}"
        )
        print(
            f"lost objects={len(lost)} unseen events={len(unseen)} ended: server="
            f"{int(server.process.poll() is not None)} components={len(gone)} "
            f"administrator's watches={attacked.watch_ends}"
        )
        print(
            f"the attack, per second: calls={done[_CALLS]:.0f} refused={done[_REFUSED]:.0f} "
            f"connections={done[_CONNECTED]:.0f}; attackers alive={int(alive)}"
        )
        for failure in attacked.failures[:3]:
            print("failed:", failure)
        ended = gone or attacked.watch_ends or server.process.poll() is not None
        if lost or unseen or ended or attacked.failures:
            sys.exit("something was lost, ended or refused")


if __name__ == "__main__":
    main()
