"""All pods of the node: one worker each, informed by the API and by Podman.

Invariant: every pod that is bound to this node, and every pod that has left anything on it, has
exactly one worker; nothing is stopped before the API has said what is wanted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from podraft.agent.podman.client import PodmanError
from podraft.agent.podman.core import spec
from podraft.agent.podman.core.records import ContainerRecord
from podraft.agent.pods.node import Node
from podraft.agent.pods.worker import PodWorker
from podraft.api.core.v1 import pod_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.deletion import DEFAULT_GRACE_S
from podraft.client.watching.informer import Informer

_LOG = logging.getLogger(__name__)

_RESYNC_S = 30.0
_RETRY_S = 0.5


class PodManager:
    """The manager of the workers."""

    def __init__(self, node: Node, pods: Informer[pod_pb2.Pod]) -> None:
        self._node = node
        self._pods = pods
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._asked_to_resync = asyncio.Event()
        # Whether the API's word no longer counts, since this machine is no longer a node.
        self._leaving = False

    async def run(self) -> None:
        """Recover what runs, then follow the API until cancelled; containers keep running."""
        try:
            await self._pods.synced()
            await self._recover()
            self._pods.add_handler(self._pod_changed)
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_RESYNC_S):
                        await self._asked_to_resync.wait()
                self._asked_to_resync.clear()
                if not self._leaving:
                    await self._resync()
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def configuration_changed(self, pod_uid: str) -> None:
        """Tell a pod that something it names has changed."""
        worker = self._workers.get(pod_uid)
        if worker is not None:
            worker.configuration_changed()

    def pod(self, namespace: str, name: str) -> pod_pb2.Pod | None:
        """Return a pod of this node by name."""
        return self._pods.get(name, namespace)

    def worker(self, pod_uid: str) -> PodWorker | None:
        """Return a pod's worker."""
        return self._workers.get(pod_uid)

    def workers(self) -> tuple[PodWorker, ...]:
        """Return all workers."""
        return tuple(self._workers.values())

    def resync_soon(self) -> None:
        """Request a look at all containers, after Podman's service has come back.

        Only `run` looks, once it has recovered: before that every container would seem to belong
        to a pod that the API does not know, and be stopped.
        """
        self._asked_to_resync.set()

    async def end_all(self) -> None:
        """End all pods as if the API no longer knew any of them; return when none is left."""
        self._leaving = True
        for worker in self.workers():
            worker.abandon()
        while self._tasks:
            await asyncio.wait(tuple(self._tasks.values()))

    # Recovery.

    async def _recover(self) -> None:
        while True:
            try:
                records = await self._containers()
                left_over = await self._node.ground.left_over()
                break
            except (PodmanError, OSError) as error:
                _LOG.warning("cannot see what runs yet: %s", error)
                await asyncio.sleep(_RETRY_S)
        for pod in self._pods.list():
            self._worker(pod.metadata.uid).update(pod)
        orphans = {record.labels.get(spec.LABEL_POD_UID, "") for record in records} | left_over
        for uid in orphans - self._workers.keys():
            self._orphan(uid, [r for r in records if r.labels.get(spec.LABEL_POD_UID) == uid])
        for record in records:
            self._workers[record.labels[spec.LABEL_POD_UID]].adopt(record)
        for uid in self._workers:
            self._start(uid)

    async def _containers(self) -> list[ContainerRecord]:
        podman = self._node.runtime.podman
        ids = await podman.list_containers({spec.LABEL_NODE: self._node.ground.node_name})
        found = []
        for container_id in ids:
            record = await podman.inspect_container(container_id)
            if record is not None and spec.LABEL_POD_UID in record.labels:
                found.append(record)
        return found

    def _orphan(self, uid: str, records: list[ContainerRecord]) -> None:
        """Stop everything that belongs to a pod that the API does not know."""
        pod = pod_pb2.Pod(metadata=meta_pb2.ObjectMeta(uid=uid))
        if records:
            labels = records[0].labels
            pod.metadata.name = labels.get(spec.LABEL_POD_NAME, "")
            pod.metadata.namespace = labels.get(spec.LABEL_POD_NAMESPACE, "")
            grace_s = int(labels.get(spec.LABEL_POD_GRACE_S, DEFAULT_GRACE_S))
            pod.spec.termination_grace_period_seconds = grace_s
        pod.metadata.deletion_timestamp.seconds = int(time.time())
        worker = self._worker(uid)
        worker.update(pod)
        worker.abandon()

    # The API's changes.

    def _pod_changed(self, old: pod_pb2.Pod | None, new: pod_pb2.Pod | None) -> None:
        if self._leaving:
            return
        if new is not None:
            uid = new.metadata.uid
            if old is not None and old.metadata.uid != uid:
                self._gone(old)
            self._worker(uid).update(new)
            self._start(uid)
        elif old is not None:
            self._gone(old)

    def _gone(self, pod: pod_pb2.Pod) -> None:
        worker = self._workers.get(pod.metadata.uid)
        if worker is not None:
            worker.abandon()

    def _worker(self, uid: str) -> PodWorker:
        worker = self._workers.get(uid)
        if worker is None:
            worker = PodWorker(self._node, uid)
            self._workers[uid] = worker
        return worker

    def _start(self, uid: str) -> None:
        if uid in self._tasks:
            return
        task = asyncio.create_task(self._work(self._workers[uid]))
        self._tasks[uid] = task

    async def _work(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:  # noqa: BLE001 - see below
            # One pod's fault must not stop the others; the resync restarts it.
            _LOG.exception("the worker of pod %s failed", worker.uid)
        finally:
            self._workers.pop(worker.uid, None)
            self._tasks.pop(worker.uid, None)

    # The safety net.

    async def _resync(self) -> None:
        """Find what no event reported: containers that others removed or that ended unseen."""
        # Containers that start while Podman is being asked are not lost: only those known before
        # can be.
        known = {
            uid: {record.id for record in worker.records()} for uid, worker in self._workers.items()
        }
        try:
            records = await self._containers()
        except (PodmanError, OSError) as error:
            _LOG.warning("cannot look at the containers: %s", error)
            return
        for pod in self._pods.list():
            if pod.metadata.uid not in self._workers:
                self._worker(pod.metadata.uid).update(pod)
        seen = {record.id for record in records}
        by_uid: dict[str, list[ContainerRecord]] = {}
        for record in records:
            by_uid.setdefault(record.labels[spec.LABEL_POD_UID], []).append(record)
        for uid, found in by_uid.items():
            if uid not in self._workers:
                self._orphan(uid, found)
            for record in found:
                self._workers[uid].adopt(record)
        for uid, before in known.items():
            for container_id in before - seen:
                if uid in self._workers:
                    self._workers[uid].lost(container_id)
        for uid in tuple(self._workers):
            self._start(uid)
