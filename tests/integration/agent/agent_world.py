"""A real API server, a real Podman and the agent in this process, inside one network namespace.

Run by `run_scenario` in a process of its own, so that every thread is inside the namespace.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local_cluster import images, podman_service
from local_cluster.server_process import ServerProcess
from podraft.agent import app, arguments
from podraft.agent.node.join import IdentityStore, signing_request
from podraft.agent.volumes.mounts import mounted_below, unmount
from podraft.api.core.v1 import pod_pb2
from podraft.api.objects.pods import is_ready
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError, NotFoundError
from podraft.server.auth.certificates import CertificateAuthority, KeyPair
from podraft.server.auth.lifetimes import NODE_LIFETIME
from support.waiting import eventually_async

NODE = "n1"
NODE_IP = "10.99.0.1"
IMAGE = "localhost/test:1"


def make_pod(name: str, script: str = "", *, grace_s: int = 1) -> pod_pb2.Pod:
    """Return a pod whose one container runs a shell script; none: it waits, and ends at TERM."""
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace = name, "default"
    pod.spec.node_name = NODE
    pod.spec.termination_grace_period_seconds = grace_s
    container = pod.spec.containers.add(name="main", image=IMAGE)
    container.command.extend(["/bin/sh", "-c", script or WAIT])
    return pod


# A shell that is process 1 ignores TERM until it says what to do with it.
TRAP = "trap 'exit 0' TERM; "
WAIT = TRAP + "while :; do sleep 1 & wait $!; done"


class World:
    """What a scenario uses."""

    def __init__(
        self, directory: Path, client: Client, words: list[str], api: ServerProcess
    ) -> None:
        self.directory = directory
        self.api = api
        self.words = words
        self.client = client
        self._given = arguments.parse(words)
        self._agent: asyncio.Task[None] | None = None
        self.uids: list[str] = []

    @property
    def state(self) -> Path:
        return self._given.state_directory

    @property
    def socket(self) -> Path:
        return self.state / "podman/run/podman.sock"

    async def start_agent(self, *, wait: bool = True) -> None:
        self._agent = asyncio.create_task(app.run(self._given))
        if not wait:
            return

        async def answers() -> bool:
            return await asyncio.to_thread(podman_service.answers, self.socket)

        await eventually_async(answers)

    async def inspected(self, status: Any) -> dict[str, Any]:
        """Return what Podman says of a container, by its status in the API."""
        container_id = status.container_id.removeprefix("podman://")
        return await asyncio.to_thread(podman_service.inspected, self.socket, container_id)

    async def stop_agent(self) -> None:
        if self._agent is not None:
            self._agent.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._agent
            self._agent = None

    async def agents_end(self) -> BaseException:
        """Wait until the agent ends by itself; return why it did."""
        assert self._agent is not None
        async with asyncio.timeout(60):
            (error,) = await asyncio.gather(self._agent, return_exceptions=True)
        self._agent = None
        assert isinstance(error, BaseException)
        return error

    def use(self, *words: str) -> None:
        """Let the agent's next start have more words on its command line."""
        self._given = arguments.parse([*self.words, *words])

    def import_image(self) -> None:
        """Give this node's Podman the image of all pods here."""
        tar = images.root_filesystem({}, empty_directories=["www"])
        images.import_image(self.socket, IMAGE, tar)

    def sign(self, lifetime: timedelta = NODE_LIFETIME) -> bytes:
        """Give the node another certificate, and return it."""
        return _sign(self.api.data_dir, self.state, lifetime)

    def podman_service_pid(self) -> int:
        listed = subprocess.run(
            ["pgrep", "-f", f"podman system service --time=0 unix://{self.socket}"],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(listed.stdout.split()[0])

    async def create(self, pod: pod_pb2.Pod) -> pod_pb2.Pod:
        created = await self.client.pods.create(pod)
        self.uids.append(created.metadata.uid)
        return created

    async def events(self, kind: str, name: str) -> dict[str, str]:
        """Return the notes of an object's Events by their reasons."""
        selector = f"regarding.kind={kind},regarding.name={name}"
        found = await self.client.events.list("default", field_selector=selector)
        return {event.reason: event.note for event in found.items}

    async def told(self, name: str, *reasons: str, kind: str = "Pod") -> dict[str, str]:
        """Wait until Events with all these reasons are there; return the notes."""
        last: dict[str, str] = {}

        async def all_told() -> bool:
            last.clear()
            last.update(await self.events(kind, name))
            return last.keys() >= set(reasons)

        try:
            await eventually_async(all_told)
        except AssertionError as error:
            raise AssertionError(f"{error}: {reasons} of {last}") from None
        return last

    async def pod(self, name: str) -> pod_pb2.Pod:
        return await self.client.pods.get(name, "default")

    async def until(
        self, name: str, condition: Callable[[pod_pb2.Pod], object], within_s: float = 60
    ) -> pod_pb2.Pod:
        """Wait until a pod satisfies a condition, and return it then."""
        last: list[pod_pb2.Pod] = []

        async def holds() -> bool:
            last[:] = [await self.pod(name)]
            return bool(condition(last[0]))

        try:
            await eventually_async(holds, within_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; the pod is:\n{last}") from None
        return last[0]

    async def running(self, name: str) -> pod_pb2.Pod:
        return await self.until(name, lambda p: p.status.phase == "Running")

    async def ready(self, name: str) -> pod_pb2.Pod:
        return await self.until(name, is_ready)

    async def delete(self, name: str, grace_s: int | None = None) -> None:
        with contextlib.suppress(NotFoundError):
            await self.client.pods.delete(name, "default", grace_period_seconds=grace_s)

        async def gone() -> bool:
            try:
                await self.pod(name)
            except NotFoundError:
                return True
            return False

        await eventually_async(gone, within_s=20)

    async def log(self, name: str, attempt: int = 0) -> str:
        uid = (await self.pod(name)).metadata.uid
        path = self.state / "pods" / uid / "logs" / "main" / f"{attempt}.log"
        return path.read_text() if path.exists() else ""

    async def logged(self, name: str, text: str) -> str:
        async def found() -> str:
            log = await self.log(name)
            return log if text in log else ""

        try:
            return await eventually_async(found)
        except AssertionError as error:
            raise AssertionError(f"{error}: {text!r} in {await self.log(name)!r}") from None


def first(pod: pod_pb2.Pod) -> pod_pb2.ContainerStatus:
    """Return the status of a pod's first container; empty before there is one."""
    statuses = pod.status.container_statuses
    return statuses[0] if statuses else pod_pb2.ContainerStatus()


@contextlib.asynccontextmanager
async def world(
    *,
    join: bool = False,
    assign_addresses: bool = True,
    start: bool = True,
) -> AsyncIterator[World]:
    """Provide a cluster of this one node; leave nothing behind.

    With ``join`` the agent joins by a token.  Who does not want addresses assigned has
    controllers that do; who does not want the agent started has a process of its own for it.
    """
    _make_network()
    with (
        tempfile.TemporaryDirectory(prefix="podraft-agent-") as folder,
        ServerProcess(Path(folder, "server")) as api,
    ):
        state = Path(folder, "agent")
        async with Client(api.config()) as client:
            words = (
                f"--server {api.address} --node-name {NODE} --node-ip {NODE_IP} --state-dir {state}"
            )
            if join:
                token = await client.create_join_token(60)
                words += f" --join-server 127.0.0.1:{api.join_port} --join-token {token.token}"
            else:
                _sign(api.data_dir, state, NODE_LIFETIME)
            it = World(Path(folder), client, words.split(), api)
            try:
                if start:
                    await it.start_agent()
                    it.import_image()
                if start and assign_addresses:
                    await assign_pod_addresses(client)
                yield it
                if start:
                    await _empty(it)
            except BaseException:
                await it.stop_agent()
                print((await clean_up(it)).stderr)
                raise
            finally:
                await it.stop_agent()
                # Podman's storage is a mount even when it is empty.
                for point in mounted_below(it.state):
                    unmount(point)


def _make_network() -> None:
    for command in (
        "ip link add node type veth peer name wire",
        f"ip addr add {NODE_IP}/24 dev node",
        "ip link set node up",
        "ip link set wire up",
        "ip route add default via 10.99.0.254",
    ):
        subprocess.run(command.split(), check=True)


def _sign(data: Path, state: Path, lifetime: timedelta) -> bytes:
    """Give the node its identity as a join would; return the certificate."""
    text = (data / "pki/ca.pem").read_bytes()
    blocks = re.findall(rb"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----\n", text, re.DOTALL)
    key = next(block for block in blocks if b"PRIVATE" in block)
    certificate = next(block for block in blocks if b"CERTIFICATE" in block)
    authority = CertificateAuthority.load(KeyPair(certificate, key))
    store = IdentityStore(state)
    now = datetime.now(UTC)
    signed = authority.sign_node(signing_request(store.key()), NODE, now, lifetime)
    store.save(signed, certificate)
    return signed


async def assign_pod_addresses(client: Client) -> None:
    patch = {"spec": {"podCIDR": "10.244.7.0/24", "podCIDRs": ["10.244.7.0/24"]}}

    async def assigned() -> bool:
        try:
            await client.nodes.patch(NODE, patch)
        except ApiError:
            return False
        return True

    await eventually_async(assigned)


async def _empty(it: World) -> None:
    """A scenario ends by deleting all pods; nothing of them may be left."""
    for pod in (await it.client.pods.list("default")).items:
        await it.delete(pod.metadata.name, 0)
    await assert_nothing_left(it)


async def assert_nothing_left(it: World) -> None:
    """Fail unless all of the pods is gone from this machine."""
    # A deletion without grace is over in the API before it is over here.
    await eventually_async(lambda: not leftovers(it))
    listed = await asyncio.to_thread(podman_service.listed, it.socket)
    assert [one for one in listed if (one["Labels"] or {}).get("io.podraft.node") == NODE] == []


def leftovers(it: World) -> list[Path]:
    """Return what is there of pods besides Podman's own: namespaces, mounts, cgroups."""
    folders = [it.state / "pods", it.state / "namespaces"]
    entries = [entry for folder in folders for entry in folder.iterdir()]
    mounts = [point for folder in folders for point in mounted_below(folder)]
    return [*entries, *mounts, *_cgroups(it)]


def _cgroups(it: World) -> list[Path]:
    groups = [Path("/sys/fs/cgroup").glob(f"*/podraft/pod-{uid}") for uid in it.uids]
    return [path for group in groups for path in group]


async def clean_up(it: World) -> subprocess.CompletedProcess[str]:
    """Run ``podraft-agent cleanup``."""
    program = str(Path(sys.executable).with_name("podraft-agent"))
    command = [program, "cleanup", "--state-dir", str(it.state)]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60
    )


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
