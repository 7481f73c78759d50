"""Writing to the API: statuses and final deletions, in batches.

Invariant: the last status of a pod always arrives; of several waiting ones only the newest is
sent, and a status that the API already holds is not sent at all.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from podraft.api import kinds
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.errors import (
    ApiError,
    ConflictError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
)

_LOG = logging.getLogger(__name__)

_BATCH_MAX = 200
_RETRY_FIRST_S = 0.2
_RETRY_MAX_S = 5.0


@dataclass(slots=True)
class _Sent:
    status: pod_pb2.PodStatus
    revision: int


class StatusWriter:
    """A writer that combines the writes of all pods of the node into few commits."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._statuses: dict[str, pod_pb2.Pod] = {}
        self._deletions: dict[str, tuple[pod_pb2.Pod, asyncio.Future[None]]] = {}
        self._sent: dict[str, _Sent] = {}
        self._wake = asyncio.Event()

    def put(self, stored: pod_pb2.Pod, status: pod_pb2.PodStatus) -> None:
        """Request that the API hold a status; ``stored`` is the pod as last seen there."""
        uid = stored.metadata.uid
        sent = self._sent.get(uid)
        lagging = sent is not None and _revision(stored) < sent.revision
        known = sent.status if sent is not None and lagging else stored.status
        if status == known:
            self._statuses.pop(uid, None)
            return
        pod = pod_pb2.Pod(metadata=stored.metadata, spec=stored.spec, status=status)
        # The agent alone writes this status, so the identity is the only precondition.
        pod.metadata.ClearField("resource_version")
        self._statuses[uid] = pod
        self._wake.set()

    async def delete(self, pod: pod_pb2.Pod) -> None:
        """Delete a pod from the API: nothing of it is left here."""
        uid = pod.metadata.uid
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._statuses.pop(uid, None)
        self._deletions[uid] = (pod, future)
        self._wake.set()
        await future

    def forget(self, pod_uid: str) -> None:
        """Forget what is known about a pod that is gone."""
        self._statuses.pop(pod_uid, None)
        self._sent.pop(pod_uid, None)

    async def run(self) -> None:
        """Send waiting writes until cancelled."""
        pause_s = _RETRY_FIRST_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._flush()
                pause_s = _RETRY_FIRST_S
            except (UnavailableError, OverloadedError) as error:
                _LOG.warning("the API does not take statuses now: %s", error.message)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _RETRY_MAX_S)
                self._wake.set()

    async def _flush(self) -> None:
        statuses = dict(list(self._statuses.items())[:_BATCH_MAX])
        deletions = dict(list(self._deletions.items())[:_BATCH_MAX])
        if len(self._statuses) > _BATCH_MAX or len(self._deletions) > _BATCH_MAX:
            self._wake.set()
        batch = [
            *((uid, writes.update_status(pod)) for uid, pod in statuses.items()),
            *((uid, _deletion(pod)) for uid, (pod, _) in deletions.items()),
        ]
        if batch:
            await self._send(batch, statuses)

    async def _send(
        self, batch: list[tuple[str, commit_pb2.Write]], statuses: dict[str, pod_pb2.Pod]
    ) -> None:
        try:
            revision = await self._commit([write for _, write in batch])
        except (UnavailableError, OverloadedError):
            raise
        except ApiError as error:
            if len(batch) > 1:
                # One write of the batch is refused: send them separately to find out which.
                for entry in batch:
                    await self._send([entry], statuses)
                return
            if not isinstance(error, NotFoundError | ConflictError):
                _LOG.warning("the API refuses a write about pod %s: %s", batch[0][0], error.message)
            revision = 0
        for uid, _ in batch:
            self._settle(uid, statuses.get(uid), revision)

    async def _commit(self, batch: list[commit_pb2.Write]) -> int:
        response = await self._client.commit(batch, omit_objects=True)
        return int(response.resource_version or 0)

    def _settle(self, uid: str, sent: pod_pb2.Pod | None, revision: int) -> None:
        if sent is not None:
            if revision:
                self._sent[uid] = _Sent(sent.status, revision)
            if self._statuses.get(uid) is sent:
                del self._statuses[uid]
        deletion = self._deletions.get(uid)
        if sent is None and deletion is not None:
            del self._deletions[uid]
            if not deletion[1].done():
                deletion[1].set_result(None)


def _deletion(pod: pod_pb2.Pod) -> commit_pb2.Write:
    metadata = pod.metadata
    return writes.delete(
        kinds.POD,
        metadata.name,
        metadata.namespace,
        grace_period_seconds=0,
        uid=metadata.uid,
    )


def _revision(pod: pod_pb2.Pod) -> int:
    return int(pod.metadata.resource_version or 0)
