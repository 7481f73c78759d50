"""Keeping the Node object and its Lease true.

Invariant: the Lease is renewed every three seconds while this agent lives; the Node's
status is written when it changes, and once a minute so that its heartbeat shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from podraft.agent.node import facts as node_facts
from podraft.agent.node.facts import NodeFacts
from podraft.api.coordination.v1 import lease_pb2
from podraft.api.core.v1 import node_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.client.client import Client
from podraft.client.errors import AlreadyExistsError, ApiError, NotFoundError

_log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
_LEASE_DURATION_S = 10
_LEASE_RENEW_S = 3.0
_CHECK_S = 5.0
_STATUS_MAX_AGE_S = 60.0
_RETRY_S = 1.0


class Registration:
    """This machine's Node and Lease."""

    def __init__(
        self,
        client: Client,
        facts: NodeFacts,
        state_directory: Path,
        not_ready: Callable[[], Awaitable[str]],
        port: int,
    ) -> None:
        self._client = client
        self._facts = facts
        self._state_directory = state_directory
        self._not_ready = not_ready
        self._port = port
        self._changed = asyncio.Event()
        self._status = node_pb2.NodeStatus()

    async def register(self) -> node_pb2.Node:
        """Create the Node or bring its labels up to date; waits for the API."""
        while True:
            try:
                return await self._register()
            except ApiError as error:
                _log.warning("cannot register the node: %s", error.message)
                await asyncio.sleep(_RETRY_S)

    async def pod_cidr(self) -> str:
        """Wait until the control plane has assigned the node its pods' addresses."""
        name = self._facts.name
        while True:
            with contextlib.suppress(ApiError):
                async for batch in self._client.nodes.watch(field_selector=f"metadata.name={name}"):
                    for event in batch:
                        node = event.object
                        if node is not None and node.metadata.name == name and node.spec.pod_cidr:
                            return node.spec.pod_cidr
            await asyncio.sleep(_RETRY_S)

    def check_now(self) -> None:
        """Look at the node's conditions at once: something about them changed."""
        self._changed.set()

    async def run(self) -> None:
        """Send heartbeats until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._renew_lease())
            group.create_task(self._keep_status())

    async def _register(self) -> node_pb2.Node:
        labels = node_facts.labels(self._facts)
        node = node_pb2.Node(metadata=meta_pb2.ObjectMeta(name=self._facts.name, labels=labels))
        try:
            return await self._client.nodes.create(node)
        except AlreadyExistsError:
            stored = await self._client.nodes.get(self._facts.name)
        self._status = stored.status
        if all(stored.metadata.labels.get(key) == value for key, value in labels.items()):
            return stored
        patch = {"metadata": {"labels": labels}}
        return await self._client.nodes.patch(self._facts.name, patch)

    async def _renew_lease(self) -> None:
        while True:
            try:
                await self._write_lease()
            except ApiError as error:
                _log.warning("cannot renew the node's lease: %s", error.message)
            await asyncio.sleep(_LEASE_RENEW_S)

    async def _write_lease(self) -> None:
        name = self._facts.name
        now = time.time()
        renewed = meta_pb2.MicroTime(seconds=int(now), nanos=int(now % 1 * 1_000_000) * 1000)
        lease = lease_pb2.Lease(
            metadata=meta_pb2.ObjectMeta(name=name, namespace=LEASE_NAMESPACE),
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
        written_s = 0.0
        while True:
            self._changed.clear()
            try:
                now_s = time.time()
                fresh = await self._compose(now_s)
                due = now_s - written_s >= _STATUS_MAX_AGE_S
                if due or _without_heartbeats(fresh) != _without_heartbeats(self._status):
                    await self._write_status(fresh)
                    self._status = fresh
                    written_s = now_s
            except NotFoundError:
                await self.register()
            except ApiError as error:
                _log.warning("cannot write the node's status: %s", error.message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_S):
                    await self._changed.wait()

    async def _compose(self, now_s: float) -> node_pb2.NodeStatus:
        pressure = await asyncio.to_thread(node_facts.read_pressure, self._state_directory)
        # The node lifecycle controller writes here too when it loses sight of the node.
        stored = await self._client.nodes.get(self._facts.name)
        self._status = stored.status
        not_ready = await self._not_ready()
        return node_facts.status(self._facts, pressure, not_ready, stored.status, now_s, self._port)

    async def _write_status(self, status: node_pb2.NodeStatus) -> None:
        node = node_pb2.Node(metadata=meta_pb2.ObjectMeta(name=self._facts.name), status=status)
        await self._client.nodes.update_status(node)


def _without_heartbeats(status: node_pb2.NodeStatus) -> node_pb2.NodeStatus:
    copy = node_pb2.NodeStatus()
    copy.CopyFrom(status)
    for condition in copy.conditions:
        condition.ClearField("last_heartbeat_time")
    return copy
