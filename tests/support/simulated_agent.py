"""Agents of many nodes in one task, without containers.

Owns: the reports of agents to the API: nodes, leases, the statuses and the end of pods. A pod
that is bound to a simulated node runs and is ready after ``start_s``; one that is being deleted
ends after ``stop_s``. The writes of all nodes leave in common batches, so that thousands of pods
cost little more than their writes do.

Deterministic: addresses follow from the order in which a node got its pods; nothing is random.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from podraft.api import times
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.coordination.v1 import lease_pb2
from podraft.api.core.v1 import node_pb2, pod_pb2
from podraft.api.kinds import POD
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import well_known
from podraft.api.objects.conditions import set_condition
from podraft.api.objects.deletion import is_deleting
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError, UnavailableError
from podraft.client.watching.informer import Informer

_BATCH_MAX = 250


def is_broken(pod: pod_pb2.Pod) -> bool:
    """Return whether a pod's image can never be pulled: its name contains ``broken``."""
    return any("broken" in container.image for container in pod.spec.containers)


class SimulatedNodes:
    """The agents of ``count`` nodes, named ``<prefix>-0`` and so on."""

    def __init__(
        self,
        client: Client,
        *,
        count: int,
        prefix: str = "sim",
        cpu: str = "32",
        memory: str = "64Gi",
        pods_max: int | None = None,
        start_s: float = 0.0,
        stop_s: float = 0.0,
        lease_period_s: float = 3.0,
        never_ready: Callable[[pod_pb2.Pod], bool] = is_broken,
    ) -> None:
        self.names = [f"{prefix}-{number}" for number in range(count)]
        self.silent: set[str] = set()
        self._client = client
        self._allocatable = {"cpu": cpu, "memory": memory}
        if pods_max is not None:
            self._allocatable["pods"] = str(pods_max)
        self._start_s = start_s
        self._stop_s = stop_s
        self._lease_period_s = lease_period_s
        self._never_ready = never_ready
        self._numbers = {name: number for number, name in enumerate(self.names)}
        self._addresses_used = dict.fromkeys(self.names, 0)
        self._started: set[str] = set()
        self._stopping: set[str] = set()
        self._due: dict[tuple[str, str], Callable[[], commit_pb2.Write | None]] = {}
        self._some = asyncio.Event()
        self._informer: Informer[pod_pb2.Pod] = Informer(client.pods)
        self._informer.add_handler(self._on_pod)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[SimulatedNodes]:
        """Register the nodes and act as their agents inside the block."""
        await self.register()
        task = asyncio.create_task(self.run())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def register(self) -> None:
        """Create the nodes, ready, and their leases."""
        both = [(self._node(name), self._lease(name)) for name in self.names]
        for start in range(0, len(both), _BATCH_MAX):
            planned: list[commit_pb2.Write] = []
            for node, lease in both[start : start + _BATCH_MAX]:
                planned += [writes.create(node), writes.update_status(node), writes.create(lease)]
            await self._client.commit(planned, omit_objects=True)

    async def run(self) -> None:
        """Act as the agents until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informer.run())
            group.create_task(self._renew_leases())
            group.create_task(self._write())

    async def recover(self, name: str) -> None:
        """End the silence of a node's agent: it renews, reports, and looks at its pods."""
        self.silent.discard(name)
        lease = {"spec": {"renewTime": _timestamp()}}
        await self._client.leases.patch(name, lease, well_known.NODE_LEASE_NAMESPACE)
        await self._client.nodes.update_status(self._node(name))
        for pod in self._informer.list():
            self._on_pod(None, pod)

    def _on_pod(self, old: pod_pb2.Pod | None, pod: pod_pb2.Pod | None) -> None:
        if pod is None:
            if old is not None:
                self._started.discard(old.metadata.uid)
                self._stopping.discard(old.metadata.uid)
            return
        uid, node = pod.metadata.uid, pod.spec.node_name
        if node not in self._numbers or node in self.silent:
            return
        if is_deleting(pod.metadata):
            if uid not in self._stopping:
                self._stopping.add(uid)
                self._later(self._stop_s, (uid, "stop"), lambda: self._stop(pod))
        elif uid not in self._started and not pod.status.pod_ip:
            self._started.add(uid)
            self._later(self._start_s, (uid, "start"), lambda: self._start(pod))

    def _later(
        self, delay_s: float, key: tuple[str, str], make: Callable[[], commit_pb2.Write | None]
    ) -> None:
        def ripen() -> None:
            self._due[key] = make
            self._some.set()

        if delay_s > 0:
            asyncio.get_running_loop().call_later(delay_s, ripen)
        else:
            ripen()

    def _start(self, pod: pod_pb2.Pod) -> commit_pb2.Write | None:
        current = self._informer.get(pod.metadata.name, pod.metadata.namespace)
        if current is None or current.metadata.uid != pod.metadata.uid:
            return None
        changed = pod_pb2.Pod()
        changed.CopyFrom(current)
        changed.metadata.ClearField("resource_version")
        if self._never_ready(pod):
            _set_waiting(changed)
        else:
            _set_running(changed, self._address(pod.spec.node_name))
        return writes.update_status(changed)

    def _stop(self, pod: pod_pb2.Pod) -> commit_pb2.Write | None:
        if pod.spec.node_name in self.silent:
            self._stopping.discard(pod.metadata.uid)
            return None
        metadata = pod.metadata
        return writes.delete(
            POD, metadata.name, metadata.namespace, grace_period_seconds=0, uid=metadata.uid
        )

    async def _write(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            while self._due:
                keys = list(self._due)[:_BATCH_MAX]
                made = [self._due.pop(key)() for key in keys]
                await self._commit([write for write in made if write is not None])

    async def _commit(self, batch: Sequence[commit_pb2.Write]) -> None:
        """Write the batch as a whole; if it is refused (a pod is gone), write its halves apart."""
        if not batch:
            return
        try:
            await self._client.commit(batch, omit_objects=True)
        except ApiError as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._commit(batch[:middle])
                await self._commit(batch[middle:])
            elif isinstance(error, UnavailableError):
                # Retry, as an agent would, until the server is back.
                await asyncio.sleep(0.2)
                await self._commit(batch)

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease_period_s)
            alive = [name for name in self.names if name not in self.silent]
            for start in range(0, len(alive), _BATCH_MAX):
                leases = [self._lease(name) for name in alive[start : start + _BATCH_MAX]]
                with contextlib.suppress(ApiError):
                    await self._client.commit(
                        [writes.update(lease) for lease in leases], omit_objects=True
                    )

    def _address(self, node: str) -> str:
        self._addresses_used[node] += 1
        host = self._addresses_used[node] % 250 + 1
        return f"{self._network(node)}.{host}"

    def _network(self, node: str) -> str:
        number = self._numbers[node]
        return f"10.{100 + number // 256}.{number % 256}"

    def _node(self, name: str) -> node_pb2.Node:
        number = self._numbers[name]
        node = node_pb2.Node()
        node.metadata.name = name
        node.metadata.labels[well_known.HOSTNAME_LABEL] = name
        node.spec.pod_cidr = f"{self._network(name)}.0/24"
        for resource, amount in self._allocatable.items():
            node.status.capacity[resource].string = amount
            node.status.allocatable[resource].string = amount
        node.status.addresses.add(
            type="InternalIP", address=f"192.168.{number // 256}.{number % 256}"
        )
        now = _now()
        node.status.conditions.add(
            type="Ready",
            status="True",
            reason="Simulated",
            last_heartbeat_time=now,
            last_transition_time=now,
        )
        return node

    def _lease(self, name: str) -> lease_pb2.Lease:
        lease = lease_pb2.Lease()
        lease.metadata.name, lease.metadata.namespace = name, well_known.NODE_LEASE_NAMESPACE
        lease.spec.holder_identity = name
        lease.spec.lease_duration_seconds = 10
        now = time.time_ns()
        lease.spec.renew_time.seconds = now // 1_000_000_000
        lease.spec.renew_time.nanos = now % 1_000_000_000 // 1000 * 1000
        return lease


def _set_running(pod: Any, address: str) -> None:
    now = _now()
    status = pod.status
    status.phase, status.pod_ip, status.host_ip = "Running", address, "192.168.0.1"
    status.start_time.CopyFrom(now)
    del status.pod_ips[:]
    status.pod_ips.add(ip=address)
    set_condition(pod.status.conditions, "Ready", "True", now)
    set_condition(pod.status.conditions, "ContainersReady", "True", now)
    del status.container_statuses[:]
    for container in pod.spec.containers:
        one = status.container_statuses.add(
            name=container.name, image=container.image, ready=True, started=True
        )
        one.state.running.started_at.CopyFrom(now)


def _set_waiting(pod: Any) -> None:
    set_condition(pod.status.conditions, "Ready", "False", _now())
    del pod.status.container_statuses[:]
    for container in pod.spec.containers:
        one = pod.status.container_statuses.add(name=container.name, image=container.image)
        one.state.waiting.reason = "ImagePullBackOff"


def _now() -> meta_pb2.Time:
    return times.time_at(time.time())


def _timestamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
