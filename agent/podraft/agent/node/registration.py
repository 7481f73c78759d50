"""Keeping the Node object and its Lease up to date.

Invariant: the Lease is renewed every three seconds while this agent lives; the Node's status is
written when it changes, when the API holds a different one (the node controller writes Unknown
after a silence), and once a minute so that its heartbeat shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from podraft.agent.node import facts as node_facts
from podraft.agent.node.core import status
from podraft.agent.node.core.status import NodeFacts
from podraft.agent.node.removal import RemovedError, is_removal
from podraft.api.coordination.v1 import lease_pb2
from podraft.api.core.v1 import node_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import conditions, nodes, well_known
from podraft.client.calls.client import Client
from podraft.client.errors import AlreadyExistsError, ApiError, ConflictError, NotFoundError
from podraft.client.watching.informer import Informer
from podraft.client.watching.recorder import EventRecorder

_LOG = logging.getLogger(__name__)

_LEASE_DURATION_S = 10
_LEASE_RENEW_S = 3.0
_CHECK_S = 5.0
_STATUS_MAX_AGE_S = 60.0
_RETRY_S = 1.0
_BETWEEN_CHECKS_S = 0.2


class Registration:
    """This machine's Node and Lease."""

    def __init__(
        self,
        client: Client,
        facts: NodeFacts,
        state_directory: Path,
        not_ready: Callable[[], Awaitable[str]],
        port: int,
        recorder: EventRecorder,
    ) -> None:
        self._client = client
        self._facts = facts
        self._state_directory = state_directory
        self._not_ready = not_ready
        self._port = port
        self._recorder = recorder
        self._changed = asyncio.Event()
        self._seen = asyncio.Event()
        self._removed = asyncio.Event()
        self._removal = ""
        # The newest Node known: from the watch or from one of our writes.
        self._stored: node_pb2.Node | None = None
        self._nodes = Informer(client.nodes, field_selector=f"metadata.name={facts.name}")
        self._nodes.add_handler(self._notice)

    async def register(self) -> node_pb2.Node:
        """Create the Node or bring its labels up to date, waiting for the API.

        Raises:
            RemovedError: The node was removed from the cluster.
        """
        while True:
            try:
                return await self._register()
            except ApiError as error:
                if is_removal(error):
                    raise RemovedError(error.message) from error
                _LOG.warning("cannot register the node: %s", error.message)
                await asyncio.sleep(_RETRY_S)

    async def pod_cidr(self, other_than: str = "") -> str:
        """Wait until the control plane has assigned a pod CIDR that differs from ``other_than``."""
        while True:
            self._seen.clear()
            if self._stored is not None and self._stored.spec.pod_cidr not in ("", other_than):
                return self._stored.spec.pod_cidr
            await self._seen.wait()

    async def removed(self) -> str:
        """Wait until the cluster says that it has removed this machine; return why."""
        await self._removed.wait()
        return self._removal

    def check_now(self) -> None:
        """Check the node's conditions at once, because something about them has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Send heartbeats until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._nodes.run())
            group.create_task(self._renew_lease())
            group.create_task(self._keep_status())

    def _notice(self, old: node_pb2.Node | None, new: node_pb2.Node | None) -> None:
        """Follow the watch; react without delay to what others write about this node."""
        if new is not None:
            if self._take(new):
                self._changed.set()
        elif old is not None and self._stored is not None and not _newer(self._stored, old):
            self._stored = None

    def _take(self, node: node_pb2.Node) -> bool:
        """Remember the node if it is news; return whether it is."""
        if self._stored is not None and not _newer(node, self._stored):
            return False
        self._stored = node
        self._seen.set()
        return True

    async def _register(self) -> node_pb2.Node:
        labels = status.labels(self._facts)
        node = node_pb2.Node(metadata=meta_pb2.ObjectMeta(name=self._facts.name, labels=labels))
        try:
            stored = await self._client.nodes.create(node)
        except AlreadyExistsError:
            stored = await self._client.nodes.get(self._facts.name)
        if any(stored.metadata.labels.get(key) != value for key, value in labels.items()):
            patch = {"metadata": {"labels": labels}}
            stored = await self._client.nodes.patch(self._facts.name, patch)
        self._take(stored)
        return stored

    async def _renew_lease(self) -> None:
        while True:
            try:
                await self._write_lease()
            except ApiError as error:
                if is_removal(error):
                    self._removal = error.message
                    self._removed.set()
                    return
                _LOG.warning("cannot renew the node's lease: %s", error.message)
            await asyncio.sleep(_LEASE_RENEW_S)

    async def _write_lease(self) -> None:
        name = self._facts.name
        now = time.time()
        renewed = meta_pb2.MicroTime(seconds=int(now), nanos=int(now % 1 * 1_000_000) * 1000)
        lease = lease_pb2.Lease(
            metadata=meta_pb2.ObjectMeta(name=name, namespace=well_known.NODE_LEASE_NAMESPACE),
            spec=lease_pb2.LeaseSpec(
                holder_identity=name,
                lease_duration_seconds=_LEASE_DURATION_S,
                renew_time=renewed,
            ),
        )
        try:
            await self._client.leases.update(lease)
        except NotFoundError:
            with contextlib.suppress(AlreadyExistsError):
                await self._client.leases.create(lease)

    async def _keep_status(self) -> None:
        written_s = -_STATUS_MAX_AGE_S
        while True:
            self._changed.clear()
            try:
                now_s = time.monotonic()
                stored = self._stored or await self._register()
                fresh = await self._compose(stored, time.time())
                due = now_s - written_s >= _STATUS_MAX_AGE_S
                if due or _without_heartbeats(fresh) != _without_heartbeats(stored.status):
                    await self._write_status(stored, fresh)
                    written_s = now_s
            except (NotFoundError, ConflictError):
                self._stored = None  # The Node was deleted or replaced.
            except ApiError as error:
                _LOG.warning("cannot write the node's status: %s", error.message)
            # Others that write the opposite, perhaps another agent of this name, get no race.
            await asyncio.sleep(_BETWEEN_CHECKS_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_S):
                    await self._changed.wait()

    async def _compose(self, stored: node_pb2.Node, now_s: float) -> node_pb2.NodeStatus:
        pressure = await asyncio.to_thread(node_facts.read_pressure, self._state_directory)
        not_ready = await self._not_ready()
        return status.status(self._facts, pressure, not_ready, stored.status, now_s, self._port)

    async def _write_status(self, stored: node_pb2.Node, status: node_pb2.NodeStatus) -> None:
        # The identity is the only precondition: only this agent knows the node's status, and what
        # the node controller wrote during a silence ends with the silence.
        metadata = meta_pb2.ObjectMeta(name=self._facts.name, uid=stored.metadata.uid)
        written = await self._client.nodes.update_status(
            node_pb2.Node(metadata=metadata, status=status)
        )
        self._take(written)
        before, after = _ready(stored.status), _ready(status)
        if before != after and (before or after == "True"):
            reason = "NodeReady" if after == "True" else "NodeNotReady"
            note = f"Node {self._facts.name} status is now: {reason}"
            self._recorder.record(written, "Normal", reason, note)


def _ready(status: node_pb2.NodeStatus) -> str:
    found = conditions.find(status.conditions, nodes.READY)
    return found.status if found is not None else ""


def _newer(one: node_pb2.Node, other: node_pb2.Node) -> bool:
    return int(one.metadata.resource_version or 0) > int(other.metadata.resource_version or 0)


def _without_heartbeats(status: node_pb2.NodeStatus) -> node_pb2.NodeStatus:
    copy = node_pb2.NodeStatus()
    copy.CopyFrom(status)
    for condition in copy.conditions:
        condition.ClearField("last_heartbeat_time")
    return copy
