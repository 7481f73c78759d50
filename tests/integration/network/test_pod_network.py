"""Attaching pods: real namespaces, links and mounts, inside a namespace of the test's own."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podraft.agent.network import namespaces
from podraft.agent.network.core import layout
from podraft.agent.network.core.errors import (
    AddressesExhaustedError,
    InvalidNetworkError,
    KernelError,
    NotConfiguredError,
)
from podraft.agent.network.pod_network import PodNetwork
from podraft.agent.pods.lookup import ContainerLookup
from podraft.agent.streams.service import UnknownContainerError
from podraft.agent.volumes.manager import VolumeManager
from podraft.api.core.v1.pod_pb2 import Pod
from support.netns import Namespace, connect, namespace, run_inside
from support.waiting import eventually

pytestmark = pytest.mark.root

POD_CIDR = "10.244.1.0/24"
NODE_IP = "192.0.2.1"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Namespace]:
    """A node with an outside world at 192.0.2.2 that knows no route to pods."""
    with namespace("node") as made, namespace("out") as outside:
        connect(made, f"{NODE_IP}/24", outside, "192.0.2.2/24")
        with made.entered():
            yield made
    left = list(tmp_path.glob("namespaces/*"))
    for directory in left:
        namespaces.release(directory)
    assert left == [], "an attachment was left behind"


async def started(directory: Path, cidr: str = POD_CIDR) -> PodNetwork:
    network = PodNetwork(directory)
    await network.configure(cidr, NODE_IP)
    return network


async def detach_all(network: PodNetwork) -> None:
    for uid in await network.attachments():
        await network.detach(uid)
    await network.close()


def inode_of(path: str | Path) -> int:
    return Path(path).stat().st_ino


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def no_pod_links(node: Namespace) -> bool:
    return layout.INTERFACE_PREFIX not in node.run("ip", "-brief", "link")


def pings(path: str | Path, address: str) -> bool:
    return "1 packets received" in run_inside(
        path, ["busybox", "ping", "-c1", "-W1", address], check=False
    )


def test_pods_reach_each_other_the_node_and_the_outside(node: Namespace, tmp_path: Path) -> None:
    async def main() -> None:
        network = await started(tmp_path)
        first = await network.attach("uid-1", "web-1", host_network=False)
        second = await network.attach("uid-2", "web-2", host_network=False)

        assert (first.address, second.address) == ("10.244.1.2", "10.244.1.3")
        assert pings(first.net_path, second.address)
        assert pings(first.net_path, NODE_IP)
        assert pings(node.path, first.address)
        assert pings(first.net_path, "192.0.2.2"), "pods' packets leave with the node's address"
        hostname = run_inside(node.path, ["nsenter", f"--uts={first.uts_path}", "hostname"])
        assert hostname.strip() == "web-1"
        await detach_all(network)

    asyncio.run(main())


def test_what_the_node_sends_to_a_pod_comes_from_the_nodes_address(
    node: Namespace, tmp_path: Path
) -> None:
    async def main() -> None:
        network = await started(tmp_path)
        pod = await network.attach("uid-1", "web", host_network=False)
        assert f"src {NODE_IP}" in node.run("ip", "route", "get", pod.address)
        await detach_all(network)

    asyncio.run(main())


def test_attaching_again_returns_the_same_attachment(node: Namespace, tmp_path: Path) -> None:
    async def main() -> None:
        network = await started(tmp_path)
        first = await network.attach("uid-1", "web", host_network=False)
        inode = inode_of(first.net_path)
        assert await network.attach("uid-1", "web", host_network=False) == first
        assert inode_of(first.net_path) == inode
        await detach_all(network)

    asyncio.run(main())


def test_a_restarted_agent_finds_what_is_attached(node: Namespace, tmp_path: Path) -> None:
    async def main() -> None:
        before = await started(tmp_path)
        pods = {
            uid: await before.attach(uid, uid, host_network=False) for uid in ("uid-1", "uid-2")
        }
        pods["uid-3"] = await before.attach("uid-3", "host", host_network=True)
        inodes = {uid: inode_of(pod.net_path) for uid, pod in pods.items()}
        await before.close()

        after = await started(tmp_path)
        assert await after.attachments() == pods
        assert {u: inode_of(p.net_path) for u, p in pods.items()} == inodes
        assert pings(node.path, pods["uid-2"].address)
        new = await after.attach("uid-4", "new", host_network=False)
        assert new.address not in {pod.address for pod in pods.values()}
        await detach_all(after)

    asyncio.run(main())


def test_a_host_network_pod_lives_in_the_nodes_namespace(node: Namespace, tmp_path: Path) -> None:
    async def main() -> None:
        network = await started(tmp_path)
        pod = await network.attach("uid-1", "ignored", host_network=True)
        assert pod.address == NODE_IP
        assert inode_of(pod.net_path) == inode_of(node.path)
        assert inode_of(pod.uts_path) == inode_of("/proc/self/ns/uts")
        await detach_all(network)
        assert node.path.exists()

    asyncio.run(main())


def test_detaching_leaves_nothing_and_is_idempotent(node: Namespace, tmp_path: Path) -> None:
    async def main() -> None:
        network = await started(tmp_path)
        routes_before = node.run("ip", "route")
        pod = await network.attach("uid-1", "web", host_network=False)
        assert pod.address in node.run("ip", "route")
        await network.detach("uid-1")
        assert node.run("ip", "route") == routes_before, "peers learn at once that it is gone"
        await network.detach("uid-1")
        assert await network.attachments() == {}
        assert list((tmp_path / "namespaces").iterdir()) == []
        eventually(lambda: no_pod_links(node))
        await network.close()

    asyncio.run(main())


def test_a_pod_that_comes_back_at_once_works(node: Namespace, tmp_path: Path) -> None:
    """Its old link may still be on its way out."""

    async def main() -> None:
        network = await started(tmp_path)
        for _ in range(10):
            pod = await network.attach("uid-1", "web", host_network=False)
            assert pings(node.path, pod.address)
            await network.detach("uid-1")
        await network.close()

    asyncio.run(main())


STEPS = (
    "podraft.agent.network.namespaces.pin",
    "podraft.agent.network.namespaces._bind",
    "podraft.agent.network.links._set_up_inside",
    "podraft.agent.network.links.NodeLinks.route_pod",
    "podraft.agent.network.pod_network._write_marker",
)


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("restarted", [False, True])
def test_an_attachment_that_a_crash_left_half_made_is_made_anew(
    node: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, restarted: bool
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise Crash

    async def main() -> None:
        network = await started(tmp_path)
        worker = network._worker
        assert worker is not None
        with monkeypatch.context() as patched:
            patched.setattr(step, crash)
            # A crash cleans nothing up, so neither may we.
            patched.setattr(worker, "detach", lambda uid: None)
            with pytest.raises(Crash):
                await network.attach("uid-1", "web", host_network=False)
        if restarted:
            await network.close()
            network = await started(tmp_path)
            assert await network.attachments() == {}
            assert list((tmp_path / "namespaces").iterdir()) == [], "the leftover is swept away"
        pod = await network.attach("uid-1", "web", host_network=False)
        assert pings(node.path, pod.address)
        await detach_all(network)

    asyncio.run(main())


def test_a_failed_attach_leaves_nothing(
    node: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        network = await started(tmp_path)
        monkeypatch.setattr(layout, "GATEWAY", "no address")
        with pytest.raises(KernelError, match="cannot set up the link"):
            await network.attach("uid-1", "web", host_network=False)
        assert list((tmp_path / "namespaces").iterdir()) == []
        eventually(lambda: no_pod_links(node))
        await network.close()

    asyncio.run(main())


def test_a_lost_link_is_wired_again_with_the_same_address(node: Namespace, tmp_path: Path) -> None:
    async def main() -> None:
        network = await started(tmp_path)
        pod = await network.attach("uid-1", "web", host_network=False)
        node.run("ip", "link", "delete", layout.interface_name("uid-1"))
        assert not pings(node.path, pod.address)
        assert await network.attach("uid-1", "web", host_network=False) == pod
        assert pings(node.path, pod.address)

        node.run("ip", "link", "delete", layout.interface_name("uid-1"))
        await network.close()
        network = await started(tmp_path)
        assert pings(node.path, pod.address)
        await detach_all(network)

    asyncio.run(main())


def test_exhausted_addresses_are_an_error_and_come_back(node: Namespace, tmp_path: Path) -> None:
    async def main() -> None:
        network = await started(tmp_path, "10.244.9.0/29")
        for number in range(5):
            await network.attach(f"uid-{number}", "web", host_network=False)
        with pytest.raises(AddressesExhaustedError):
            await network.attach("uid-5", "web", host_network=False)
        await network.detach("uid-3")
        assert (await network.attach("uid-5", "web", host_network=False)).address == "10.244.9.5"
        await detach_all(network)

    asyncio.run(main())


def test_unusable_input_is_refused_before_anything_changes(node: Namespace, tmp_path: Path) -> None:
    async def main() -> None:
        network = PodNetwork(tmp_path)
        with pytest.raises(NotConfiguredError):
            await network.attach("uid-1", "web", host_network=False)
        for cidr, address in (
            ("10.244.1.0/33", NODE_IP),
            ("10.244.1.0/31", NODE_IP),
            (POD_CIDR, "node"),
            (POD_CIDR, "192.0.2.77"),
        ):
            with pytest.raises(InvalidNetworkError):
                await network.configure(cidr, address)
        await network.configure(POD_CIDR, NODE_IP)
        for uid, hostname in (("../up", "web"), ("", "web"), ("uid", "x" * 65), ("uid", "")):
            with pytest.raises(InvalidNetworkError):
                await network.attach(uid, hostname, host_network=False)
        await network.close()

    asyncio.run(main())


def test_many_attach_at_once_and_leak_no_descriptor(node: Namespace, tmp_path: Path) -> None:
    async def main() -> None:
        network = await started(tmp_path)
        await network.attach("uid-warm", "web", host_network=False)
        descriptors = open_descriptors()
        begun = time.perf_counter()
        pods = await asyncio.gather(
            *(network.attach(f"uid-{n}", "web", host_network=False) for n in range(20))
        )
        took_s = time.perf_counter() - begun
        assert len({pod.address for pod in pods}) == 20
        assert took_s < 3, f"{took_s * 1000:.0f} ms; some 200 on an idle machine"
        assert open_descriptors() <= descriptors
        await detach_all(network)
        eventually(lambda: no_pod_links(node))

    asyncio.run(main())


class _OnePod:
    """The pods of a node that has one."""

    def __init__(self, uid: str) -> None:
        self._pod = Pod()
        self._pod.metadata.uid = uid
        self._pod.spec.containers.add(name="c")

    def pod(self, namespace: str, name: str) -> Pod | None:
        return self._pod if (namespace, name) == ("shop", "web") else None

    def worker(self, pod_uid: str) -> None:
        return None

    def workers(self) -> tuple[()]:
        return ()


def test_a_connection_reaches_a_port_of_the_pods_own_loopback_address(
    node: Namespace, tmp_path: Path
) -> None:
    async def main() -> None:
        network = await started(tmp_path)
        pod = await network.attach("uid-1", "web-1", host_network=False)
        volumes = VolumeManager(tmp_path / "volumes", "node")
        lookup = ContainerLookup(_OnePod("uid-1"), volumes, network.attachments)

        def listen() -> socket.socket:
            return socket.create_server(("127.0.0.1", 0))

        with namespaces.in_network_namespace(Path(pod.net_path), listen) as inside:
            port = inside.getsockname()[1]
            with await lookup.connect("shop", "web", port) as caller:
                accepted, _ = inside.accept()
                with accepted:
                    accepted.sendall(b"from within")
                    assert caller.recv(64) == b"from within"
        with pytest.raises(ConnectionRefusedError):
            await lookup.connect("shop", "web", port)
        with pytest.raises(UnknownContainerError):
            await lookup.connect("shop", "other", port)
        await network.detach("uid-1")
        with pytest.raises(UnknownContainerError, match="no network"):
            await lookup.connect("shop", "web", port)
        await network.close()

    asyncio.run(main())
