"""The one shell of all controllers: change, key, plan, commit.

Owns: the work queues, and carrying out plans.

Invariants: a key is planned by one worker at a time, and again only when the caches of the
kinds that its last plan wrote hold those writes; a plan's writes are committed in its
order, in transactions of at most `COMMIT_MAX`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.kinds import POD, AnyKind, KnownKinds
from podraft.client.calls.client import Client
from podraft.client.clock import Clock
from podraft.client.errors import (
    FailedPreconditionError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OverloadedError,
)
from podraft.client.watching.recorder import EventRecorder
from podraft.client.watching.workqueue import WorkQueue
from podraft.server.controllers.caches import Caches
from podraft.server.controllers.core.controller import Controller, Trigger, declared
from podraft.server.controllers.core.plan import Absent

KeyT = TypeVar("KeyT", bound=Hashable)

_LOG = logging.getLogger(__name__)

COMMIT_MAX = 500
# The time that a plan's own writes are waited for; only one that changed nothing takes longer.
_OWN_WRITES_S = 5.0
# When an owner turns out to exist, the cache is given this time to learn of it.
_LAG_S = 0.25
_ABSENT_MAX = 4096


class Manager:
    """The runner of all controllers over shared caches."""

    def __init__(
        self,
        client: Client,
        controllers: Sequence[Controller[Any]],
        recorder: EventRecorder,
        known: KnownKinds,
        *,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or Clock()
        self._caches = Caches(client, clock, known, declared(controllers))
        self._loops = [
            _Loop(client, self._caches, controller, recorder, clock) for controller in controllers
        ]

    async def run(self) -> None:
        """Run all controllers, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._caches.run(), name="caches")
            await self._caches.synced()
            for loop in self._loops:
                group.create_task(loop.run(), name=f"controller {loop.controller.name}")


class _Loop(Generic[KeyT]):
    """One controller's queue and workers."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        controller: Controller[KeyT],
        recorder: EventRecorder,
        clock: Clock,
    ) -> None:
        self.controller = controller
        self._client = client
        self._caches = caches
        self._recorder = recorder
        self._clock = clock
        self._queue: WorkQueue[KeyT] = WorkQueue()
        self._planned_at: dict[KeyT, float] = {}
        self._absent: OrderedDict[Absent, None] = OrderedDict()
        for kind, trigger in controller.triggers.items():
            caches.informer(kind).add_handler(self._handler(trigger))

    def _handler(self, trigger: Trigger[KeyT]) -> Callable[[Any, Any], None]:
        def handle(old: Any, new: Any) -> None:
            for key in trigger(self._caches, old, new):
                self._enqueue(key)

        return handle

    def _enqueue(self, key: KeyT) -> None:
        planned_at = self._planned_at.get(key)
        if planned_at is None:
            self._queue.add(key)
        else:
            now = asyncio.get_running_loop().time()
            self._queue.add_after(key, planned_at + self.controller.pace_s - now)

    async def run(self) -> None:
        """Plan keys as they come, for ever."""
        for key in self.controller.initial_keys:
            self._queue.add(key)
        await self._queue.run(self._handle, workers=self.controller.workers)

    async def _handle(self, key: KeyT) -> float | None:
        """Plan one key and carry the plan out; return the seconds until the next plan, if any.

        Raises:
            ApiError: A write was refused; the queue tries again after a pause.
        """
        self._pace(key)
        plan = self.controller.plan(self._caches, key, self._clock.now())
        if plan.writes:
            if not await self._all_absent(plan.absent):
                return _LAG_S
            try:
                await self._commit(plan.writes)
            except (InvalidError, ForbiddenError, FailedPreconditionError, OverloadedError) as e:
                self._tell_failure(key, str(e))
                raise
        for event in plan.events:
            self._recorder.record(event.regarding, event.type, event.reason, event.note)
        return plan.requeue_after_s

    def _pace(self, key: KeyT) -> None:
        if self.controller.pace_s:
            loop = asyncio.get_running_loop()
            self._planned_at[key] = loop.time()
            loop.call_later(self.controller.pace_s, self._planned_at.pop, key, None)

    def _tell_failure(self, key: KeyT, note: str) -> None:
        controller = self.controller
        subject = controller.subject(self._caches, key) if controller.subject else None
        if subject is not None and controller.failure:
            self._recorder.record(subject, "Warning", controller.failure, note)

    async def _commit(self, writes: Sequence[commit_pb2.Write]) -> None:
        written: dict[AnyKind, int] = {}
        for start in range(0, len(writes), COMMIT_MAX):
            chunk = writes[start : start + COMMIT_MAX]
            answer = await self._client.commit(chunk, omit_objects=True)
            for kind in filter(None, (kind_of(write, self._caches.known) for write in chunk)):
                written[kind] = int(answer.resource_version)
        try:
            async with asyncio.timeout(_OWN_WRITES_S):
                for kind, revision in written.items():
                    await self._caches.informer(kind).wait_for(revision)
        except TimeoutError:
            _LOG.info("%s: its own writes are not seen: %s", self.controller.name, written)

    async def _all_absent(self, claims: Iterable[Absent]) -> bool:
        for claim in claims:
            if claim in self._absent:
                continue
            if not await self._is_absent(claim):
                return False
            if claim.uid:
                # A uid never comes back.
                self._absent[claim] = None
                if len(self._absent) > _ABSENT_MAX:
                    self._absent.popitem(last=False)
        return True

    async def _is_absent(self, claim: Absent) -> bool:
        resource = self._client.resource(claim.kind)
        if not claim.name:
            return not (await resource.list(claim.namespace, limit=1)).items
        try:
            found = await resource.get(claim.name, claim.namespace)
        except NotFoundError:
            return True
        return bool(claim.uid) and found.metadata.uid != claim.uid


def kind_of(write: commit_pb2.Write, known: KnownKinds) -> AnyKind | None:
    """Return the kind of the object that a write is about."""
    match write.WhichOneof("operation"):
        case "create":
            return known.by_message_name(write.create.object.type_url.rpartition("/")[2])
        case "update":
            return known.by_message_name(write.update.object.type_url.rpartition("/")[2])
        case "patch":
            return known.by_manifest(write.patch.api_version, write.patch.kind)
        case "delete":
            return known.by_manifest(write.delete.api_version, write.delete.kind)
        case "bind":
            return POD
        case _:
            return None
