"""The scheduler's process: watches nodes and pods, decides in the core, commits.

Owns: the table's content (what informers show, plus decisions that are being
stored) and the pipeline.  Invariants: a pod that was decided counts on its node
until the informer confirms it or the API refuses it, so the next batch never
uses its room; at most `_COMMITS_MAX` batches are being stored at once; only the
holder of the Lease decides.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import socket
import time
from collections.abc import Sequence
from typing import Final

from podraft.api.cluster.v1.commit_pb2 import Write
from podraft.api.core.v1.node_pb2 import Node
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import DEFAULT_SCHEDULER, is_finished
from podraft.api.quantities import InvalidQuantityError
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig
from podraft.client.errors import ApiError
from podraft.client.watching.informer import Informer
from podraft.client.watching.leader import ElectionOptions, LeaderElector, LeadershipLostError
from podraft.client.watching.recorder import EventRecorder
from podraft.server.scheduling.binder import Binding, store
from podraft.server.scheduling.core.demand import (
    Profiles,
    controller_key,
    demand_of,
)
from podraft.server.scheduling.core.schedule import Decision, Scheduler
from podraft.server.scheduling.core.table import NodeTable
from podraft.server.scheduling.events import DecisionEvents
from podraft.server.scheduling.queue import PendingQueue

_LOG = logging.getLogger(__name__)

LEASE_NAME: Final = "podraft-scheduler"
_BATCH_MAX: Final = 256
_COMMITS_MAX: Final = 2
# While pods keep coming, waiting this long lets one transaction bind many of them.
_COALESCE_S: Final = 0.008
_BUSY_S: Final = 0.05


async def run(config: ClusterConfig, *, identity: str | None = None) -> None:
    """Schedule pods for ever, whenever this process holds the scheduler's Lease.

    ``identity`` must be unique among running schedulers; one that stays the same
    over restarts continues without waiting for the old Lease to run out.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    options = ElectionOptions(LEASE_NAME, identity or _claim_identity(config, claim))
    with claim:
        await _lead(config, options)


def _claim_identity(config: ClusterConfig, claim: socket.socket) -> str:
    """Return an identity that this process alone has as long as ``claim`` is open.

    The identity is the same after a restart.  The kernel keeps the claim, an abstract
    socket, and drops it when the process dies, however it dies.
    """
    host = socket.gethostname()
    installation = hashlib.sha256(config.client_certificate).hexdigest()[:12]
    try:
        claim.bind(f"\0{LEASE_NAME}-{installation}")
    except OSError:
        return f"{host}_{installation}_{secrets.token_hex(4)}"
    return f"{host}_{installation}"


async def _lead(config: ClusterConfig, options: ElectionOptions) -> None:
    async with Client(config) as client:
        while True:
            try:
                await LeaderElector(client.leases, options).run(
                    SchedulerProcess(client, options.identity).run
                )
            except LeadershipLostError as error:
                # The old state may be stale: everything is listed anew under the next Lease.
                _LOG.warning("%s", error)


class SchedulerProcess:
    """One term of leadership."""

    def __init__(self, client: Client, instance: str) -> None:
        self._client = client
        self._nodes = Informer(client.nodes)
        self._pods = Informer(client.pods)
        self._table = NodeTable()
        self._scheduler = Scheduler(self._table)
        self._profiles = Profiles()
        self._queue = PendingQueue()
        self._work = asyncio.Event()
        self._commits = asyncio.Semaphore(_COMMITS_MAX)
        self._recorder = EventRecorder(client, controller="podraft/scheduler", instance=instance)
        self._events = DecisionEvents(self._recorder)

    async def run(self) -> None:
        """Schedule until cancelled."""
        self._nodes.add_handler(self._on_node)
        self._pods.add_handler(self._on_pod)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._nodes.run(), name="watch nodes")
            tasks.create_task(self._pods.run(), name="watch pods")
            tasks.create_task(self._recorder.run(), name="event recorder")
            await self._nodes.synced()
            await self._pods.synced()
            await self._schedule(tasks)

    # Events

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            if old is not None:
                self._table.remove_node(old.metadata.name)
            return
        try:
            changed = self._table.set_node(new)
        except InvalidQuantityError as error:
            _LOG.warning("node %s: %s", new.metadata.name, error)
            return
        if changed:
            self._wake()

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._forget(old)
        if new is None:
            return
        key = (new.metadata.namespace, new.metadata.name)
        try:
            if is_finished(new):
                self._forget(new)
            elif new.spec.node_name:
                self._queue.discard(key)
                self._place(new)
            elif is_deleting(new.metadata):
                self._forget(new)
            elif new.spec.scheduler_name not in ("", DEFAULT_SCHEDULER):
                self._queue.discard(key)
            elif self._queue.add(self._profiles.pending(new)):
                self._work.set()
        except InvalidQuantityError as error:
            _LOG.warning("pod %s/%s: %s", *key, error)

    def _place(self, pod: Pod) -> None:
        uid, node = pod.metadata.uid, pod.spec.node_name
        placed = self._table.placement(uid)
        if placed is None or placed.node != node:
            self._table.place(uid, node, demand_of(pod.spec), controller_key(pod))

    def _forget(self, pod: Pod) -> None:
        self._queue.discard((pod.metadata.namespace, pod.metadata.name))
        if self._table.remove(pod.metadata.uid):
            self._wake()

    def _wake(self) -> None:
        self._queue.wake()
        self._work.set()

    # Decisions

    async def _schedule(self, tasks: asyncio.TaskGroup) -> None:
        last_batch_s = 0.0
        while True:
            await self._until_due()
            if time.monotonic() - last_batch_s < _BUSY_S:
                await asyncio.sleep(_COALESCE_S)
            await self._commits.acquire()
            bindings = self._decide()
            last_batch_s = time.monotonic()
            if bindings:
                tasks.create_task(self._store(bindings), name="bind")
            else:
                self._commits.release()
                await asyncio.sleep(0)  # A batch without a write must not starve the informers.

    async def _until_due(self) -> None:
        """Wait until a pod is due to be tried."""
        while (due_s := self._queue.next_due_s()) is None or due_s > time.monotonic():
            self._work.clear()
            timeout_s = None if due_s is None else due_s - time.monotonic()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._work.wait()
            except TimeoutError:
                return

    def _decide(self) -> list[Binding]:
        """Decide one batch; return the bindings to store."""
        now_s = time.monotonic()
        entries = self._queue.take(_BATCH_MAX, now_s)
        decisions = self._scheduler.schedule([entry.pod for entry in entries])
        attempted_at_s = int(time.time())
        bindings: list[Binding] = []
        for entry, decision in zip(entries, decisions, strict=True):
            fits = decision.node is not None
            if fits or self._queue.fail(entry, decision.record.message, now_s):
                write = _write(decision, entry.attempts, attempted_at_s)
                bindings.append(Binding(entry, decision, write))
        return bindings

    async def _store(self, bindings: Sequence[Binding]) -> None:
        refused: set[int] = set()

        def dropped(binding: Binding, error: ApiError) -> None:
            refused.add(id(binding))
            self._dropped(binding, error)

        try:
            await store(bindings, self._commit, dropped)
        finally:
            self._commits.release()
        now_s = time.monotonic()
        for binding in bindings:
            if id(binding) not in refused:
                self._events.tell(binding.decision, now_s)

    async def _commit(self, batch: Sequence[Write]) -> None:
        await self._client.commit(batch, omit_objects=True)

    def _dropped(self, binding: Binding, error: ApiError) -> None:
        """Free the room of a pod that the API refused to bind, and try it again later."""
        pod = binding.decision.pod
        _LOG.info("binding pod %s/%s: %s", pod.namespace, pod.name, error)
        if binding.decision.node is None:
            return
        current = self._pods.get(pod.name, pod.namespace)
        if current is None or current.metadata.uid != pod.uid or not current.spec.node_name:
            self._table.remove(pod.uid)
        self._queue.refuse(binding.entry, time.monotonic())
        self._wake()


def _write(decision: Decision, attempts: int, attempted_at_s: int) -> Write:
    pod = decision.pod
    write = writes.bind(pod.namespace, pod.name, pod.uid, decision.node or "", decision.record)
    write.bind.record.attempts = attempts
    write.bind.record.attempted_at.seconds = attempted_at_s
    return write
