"""Connections through services: pods, node and outside are namespaces, all else is real."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest
from google.protobuf.message import Message

from podraft.agent.network import namespaces
from podraft.agent.network.pod_network import Attachment, PodNetwork
from podraft.agent.proxy import app
from podraft.agent.proxy.app import ServiceProxy
from podraft.agent.proxy.core import ruleset
from podraft.api import kinds
from podraft.api.core.v1.service_pb2 import Service
from podraft.api.discovery.v1.endpoint_slice_pb2 import EndpointSlice
from podraft.api.kinds import Kind
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.wire import WatchBatch, WatchEvent
from support.netns import Namespace, connect, namespace, spawn_inside
from support.waiting import eventually_async

pytestmark = pytest.mark.root

ObjectT = TypeVar("ObjectT", bound=Message)

NODE_IP, OUTSIDE_IP = "192.0.2.1", "192.0.2.2"
VIP, EMPTY_VIP = "10.96.0.10", "10.96.0.11"
PORT, NODE_PORT, EMPTY_NODE_PORT = 80, 30080, 30081
POD_PORT = 8080
REFUSED_WITHIN_S = 0.05
SERVER = Path(__file__).with_name("answering.py")


class Source(Generic[ObjectT]):
    """The API's side of a watch: objects that tests put and remove."""

    def __init__(self, kind: Kind[ObjectT]) -> None:
        self._kind = kind
        self._objects: dict[str, ObjectT] = {}
        self._watchers: list[asyncio.Queue[WatchBatch[ObjectT]]] = []
        self._revision = 1

    @property
    def kind(self) -> Kind[ObjectT]:
        return self._kind

    def put(self, obj: ObjectT) -> None:
        name = obj.metadata.name  # type: ignore[attr-defined]  # every object has it
        known = name in self._objects
        self._objects[name] = obj
        self._send(
            requests_pb2.WATCH_EVENT_TYPE_MODIFIED
            if known
            else requests_pb2.WATCH_EVENT_TYPE_ADDED,
            obj,
        )

    def remove(self, name: str) -> None:
        self._send(requests_pb2.WATCH_EVENT_TYPE_DELETED, self._objects.pop(name))

    def _send(self, kind: requests_pb2.WatchEventType, obj: ObjectT) -> None:
        self._revision += 1
        obj.metadata.resource_version = str(self._revision)  # type: ignore[attr-defined]  # as above
        for watcher in self._watchers:
            watcher.put_nowait([WatchEvent(kind, obj)])

    async def watch(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
    ) -> AsyncIterator[WatchBatch[ObjectT]]:
        queue: asyncio.Queue[WatchBatch[ObjectT]] = asyncio.Queue()
        self._watchers.append(queue)
        added = requests_pb2.WATCH_EVENT_TYPE_ADDED
        yield [WatchEvent(added, obj) for obj in self._objects.values()]
        bookmark: Any = self._kind.message()
        bookmark.metadata.resource_version = str(self._revision)
        yield [WatchEvent(requests_pb2.WATCH_EVENT_TYPE_BOOKMARK, bookmark)]
        while True:
            yield await queue.get()


class Api:
    """What the proxy sees of the API."""

    def __init__(self) -> None:
        self.services: Source[Service] = Source(kinds.SERVICE)
        self.endpoint_slices: Source[EndpointSlice] = Source(kinds.ENDPOINT_SLICE)

    def offer(self, name: str, address: str, node_port: int = 0, protocol: str = "TCP") -> None:
        service = Service()
        service.metadata.name, service.metadata.namespace = name, "default"
        service.spec.cluster_ip = address
        service.spec.type = "NodePort" if node_port else "ClusterIP"
        service.spec.ports.add(protocol=protocol, port=PORT, node_port=node_port)
        self.services.put(service)

    def answer(self, name: str, *addresses: str, protocol: str = "TCP") -> None:
        found = EndpointSlice(address_type="IPv4")
        found.metadata.name, found.metadata.namespace = f"{name}-1", "default"
        found.metadata.labels["kubernetes.io/service-name"] = name
        found.ports.add(protocol=protocol, port=POD_PORT)
        for address in addresses:
            found.endpoints.add(addresses=[address]).conditions.ready = True
        self.endpoint_slices.put(found)


@dataclass
class Cluster:
    """One node with three pods that answer, and a machine outside."""

    api: Api
    node: Namespace
    outside: Namespace
    pods: list[Attachment]
    proxy: ServiceProxy
    stop_proxy: Callable[[], Awaitable[None]]

    @property
    def addresses(self) -> list[str]:
        return [pod.address for pod in self.pods]


@pytest.fixture
def machines() -> Iterator[tuple[Namespace, Namespace]]:
    with namespace("node") as node, namespace("out") as outside:
        connect(node, f"{NODE_IP}/24", outside, f"{OUTSIDE_IP}/24")
        outside.run("ip", "route", "add", "10.96.0.0/16", "via", NODE_IP)
        with node.entered():
            yield node, outside


@contextlib.asynccontextmanager
async def running(proxy: ServiceProxy) -> AsyncIterator[None]:
    task = asyncio.create_task(proxy.run())
    programmed = asyncio.create_task(proxy.programmed())
    try:
        await asyncio.wait({task, programmed}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        if task.done():
            await task
        yield
    finally:
        programmed.cancel()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def with_cluster(
    machines: tuple[Namespace, Namespace],
    directory: Path,
    scenario: Callable[[Cluster], Coroutine[Any, Any, None]],
) -> None:
    """Run a scenario in a cluster whose proxy has programmed its first services."""

    async def main() -> None:
        network = PodNetwork(directory)
        await network.configure("10.244.1.0/24", NODE_IP)
        servers = []
        try:
            pods = []
            for name in ("one", "two", "three"):
                pods.append(await network.attach(f"uid-{name}", name, host_network=False))
                command = [sys.executable, "-SsE", str(SERVER), name, str(POD_PORT)]
                servers.append(spawn_inside(pods[-1].net_path, command))
            for pod in pods:
                await until(partial(answers, machines[0].path, pod.address, POD_PORT))
            api = Api()
            api.offer("web", VIP, NODE_PORT)
            api.answer("web", *(pod.address for pod in pods))
            api.offer("empty", EMPTY_VIP, EMPTY_NODE_PORT)
            proxy = ServiceProxy(api, "10.244.1.0/24", NODE_IP)
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(running(proxy))
                node, outside = machines
                await scenario(Cluster(api, node, outside, pods, proxy, stack.aclose))
        finally:
            for server in servers:
                server.kill()
                server.wait()
            for uid in await network.attachments():
                await network.detach(uid)
            await network.close()

    asyncio.run(main())


def opened(path: Path | str, address: str, port: int, timeout_s: float = 2) -> socket.socket:
    """Connect from the namespace at a path; the socket stays in there."""
    return namespaces.in_network_namespace(
        Path(path), lambda: socket.create_connection((address, port), timeout_s)
    )


async def answer(path: Path | str, address: str, port: int = PORT) -> str | None:
    """Return who answered and whom they saw, or None if nobody did."""

    def ask() -> str | None:
        try:
            with opened(path, address, port) as connection:
                return connection.makefile().readline().strip()
        except OSError:
            return None

    return await asyncio.to_thread(ask)


async def answers(path: Path | str, address: str, port: int = PORT) -> bool:
    return await answer(path, address, port) is not None


async def names(path: Path | str, address: str, port: int = PORT, times: int = 30) -> Counter[str]:
    found = [await answer(path, address, port) for _ in range(times)]
    return Counter(text.split()[0] if text else "nobody" for text in found)


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    await eventually_async(condition)


ALL = {"one", "two", "three"}


def test_everybody_reaches_every_endpoint(
    machines: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    async def scenario(cluster: Cluster) -> None:
        for path, address, port in (
            (cluster.pods[0].net_path, VIP, PORT),  # One answer in three is its own.
            (cluster.node.path, VIP, PORT),
            (cluster.outside.path, VIP, PORT),
            (cluster.outside.path, NODE_IP, NODE_PORT),
            (cluster.node.path, NODE_IP, NODE_PORT),
            (cluster.pods[1].net_path, NODE_IP, NODE_PORT),
        ):
            found = await names(path, address, port)
            assert set(found) == ALL, f"{path} to {address}:{port}"

    with_cluster(machines, tmp_path, scenario)


def test_connections_spread_evenly(machines: tuple[Namespace, Namespace], tmp_path: Path) -> None:
    async def scenario(cluster: Cluster) -> None:
        found = await names(cluster.node.path, VIP, times=300)
        # 100 each, give or take: five standard deviations are 41.
        assert all(59 <= found[name] <= 141 for name in ALL), found

    with_cluster(machines, tmp_path, scenario)


def test_servers_see_who_connects_wherever_that_is_possible(
    machines: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    async def scenario(cluster: Cluster) -> None:
        cluster.api.answer("web", cluster.addresses[0])
        await until(lambda: only(cluster, {"one"}))
        assert await answer(cluster.pods[1].net_path, VIP) == f"one {cluster.addresses[1]}"
        assert await answer(cluster.outside.path, NODE_IP, NODE_PORT) == f"one {OUTSIDE_IP}"
        assert await answer(cluster.node.path, VIP) == f"one {NODE_IP}"
        assert await answer(cluster.pods[0].net_path, VIP) == f"one {NODE_IP}", "the hairpin"

    with_cluster(machines, tmp_path, scenario)


async def only(cluster: Cluster, expected: set[str]) -> bool:
    return set(await names(cluster.node.path, VIP, times=12)) == expected


def test_services_without_endpoints_and_ports_without_service_refuse_at_once(
    machines: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    async def scenario(cluster: Cluster) -> None:
        targets = [(EMPTY_VIP, PORT), (VIP, 81), (NODE_IP, EMPTY_NODE_PORT)]
        for path in (cluster.node.path, cluster.outside.path, cluster.pods[0].net_path):
            for address, port in targets:
                begun = time.perf_counter()
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.to_thread(opened, path, address, port)
                assert time.perf_counter() - begun < REFUSED_WITHIN_S, f"{path} {address}:{port}"

        cluster.api.answer("empty", cluster.addresses[2])
        await until(partial(answers, cluster.node.path, EMPTY_VIP))
        assert await answer(cluster.outside.path, NODE_IP, EMPTY_NODE_PORT)
        cluster.api.services.remove("empty")

        async def vanished() -> bool:
            return await answer(cluster.outside.path, NODE_IP, EMPTY_NODE_PORT) is None

        await until(vanished)

    with_cluster(machines, tmp_path, scenario)


def test_removing_endpoints_under_load_loses_no_connection(
    machines: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    async def scenario(cluster: Cluster) -> None:
        established = [
            await asyncio.to_thread(opened, cluster.pods[2].net_path, VIP, PORT) for _ in range(12)
        ]
        stop = asyncio.Event()
        outcomes: Counter[str] = Counter()

        async def load(path: Path | str) -> None:
            while not stop.is_set():
                outcomes[await answer(path, VIP) or "lost"] += 1

        loads = [asyncio.create_task(load(p)) for p in (cluster.node.path, cluster.outside.path)]
        one, two, three = cluster.addresses
        for chosen in ((one, three), (three,), (one, two, three), (two,), (two, one), (one,)) * 3:
            cluster.api.answer("web", *chosen)
            expected = {{one: "one", two: "two", three: "three"}[a] for a in chosen}
            await until(partial(only, cluster, expected))
        stop.set()
        await asyncio.gather(*loads)

        assert sum(outcomes.values()) > 50
        assert outcomes["lost"] == 0, outcomes
        for connection in established:
            with connection, connection.makefile("rw") as lines:
                lines.readline()
                lines.write("still there\n")
                lines.flush()
                assert lines.readline() == "still there\n"

    with_cluster(machines, tmp_path, scenario)


class Sender:
    """A UDP client that keeps one socket: its flow stays the same, so conntrack remembers it."""

    def __init__(self, path: Path | str, address: str, port: int) -> None:
        def make() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.settimeout(0.2)
            made.connect((address, port))
            return made

        self.socket = namespaces.in_network_namespace(Path(path), make)

    async def hears(self, name: str | None) -> bool:
        def ask() -> str | None:
            with contextlib.suppress(OSError):  # What came too late, or an earlier refusal.
                while self.socket.recv(100, socket.MSG_DONTWAIT):
                    pass
            try:
                self.socket.send(b"?")
                return self.socket.recv(100).decode()
            except OSError:
                return None

        return await asyncio.to_thread(ask) == name


def test_udp_senders_follow_when_the_endpoint_changes_goes_and_comes(
    machines: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    async def scenario(cluster: Cluster) -> None:
        one, two, _ = cluster.addresses
        address, port = "10.96.0.53", 30053
        pod, outside = cluster.pods[2].net_path, cluster.outside.path
        senders = [
            Sender(pod, address, PORT),
            Sender(outside, address, PORT),
            Sender(cluster.node.path, address, PORT),
            Sender(outside, NODE_IP, port),
            Sender(pod, NODE_IP, port),
            Sender(cluster.node.path, NODE_IP, port),
        ]

        async def all_hear(name: str | None) -> None:
            for number, sender in enumerate(senders):
                try:
                    await until(partial(sender.hears, name))
                except AssertionError as error:
                    raise AssertionError(f"sender {number} does not hear {name}") from error

        with contextlib.ExitStack() as stack:
            for sender in senders:
                stack.enter_context(sender.socket)
            # They begin before there is anybody, and even before there is a service.
            await all_hear(None)
            cluster.api.offer("dns", address, port, protocol="UDP")
            for name, endpoint in (("one", one), ("two", two), (None, None), ("one", one)):
                answering = [endpoint] if endpoint else []
                cluster.api.answer("dns", *answering, protocol="UDP")
                await all_hear(name)
            # While no proxy runs nobody notes what changes.
            await cluster.stop_proxy()
            cluster.api.answer("dns", two, protocol="UDP")
            async with running(ServiceProxy(cluster.api, "10.244.1.0/24", NODE_IP)):
                await all_hear("two")

    with_cluster(machines, tmp_path, scenario)


def test_a_flushed_table_is_written_anew(
    machines: tuple[Namespace, Namespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(cluster: Cluster) -> None:
        monkeypatch.setattr(app, "CHECK_INTERVAL_S", 0.05)
        cluster.node.run("nft", "flush", "ruleset")
        cluster.api.answer("web", cluster.addresses[0])  # This transaction must fail.
        await until(lambda: only(cluster, {"one"}))

        cluster.node.run("nft", "delete", "table", "ip", ruleset.TABLE)  # Nothing else happens.
        await until(lambda: only(cluster, {"one"}))

    with_cluster(machines, tmp_path, scenario)


def test_a_stopped_proxy_changes_nothing_and_its_successor_interrupts_nothing(
    machines: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    async def scenario(cluster: Cluster) -> None:
        with await asyncio.to_thread(opened, cluster.outside.path, NODE_IP, NODE_PORT) as kept:
            successor = ServiceProxy(cluster.api, "10.244.1.0/24", NODE_IP)
            async with running(successor):
                pass
            # Both have written the table; now the second one is gone.
            assert set(await names(cluster.pods[1].net_path, VIP)) == ALL
            with kept.makefile("rw") as lines:
                lines.readline()
                lines.write("still there\n")
                lines.flush()
                assert lines.readline() == "still there\n"

    with_cluster(machines, tmp_path, scenario)
