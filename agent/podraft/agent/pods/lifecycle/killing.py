"""Stopping containers gracefully: preStop, then TERM, then KILL when the time is over.

Invariant: the deadline can only come nearer, and no step outlives it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

from podraft.agent.podman.core.records import ContainerRecord
from podraft.agent.pods.core.pod_spec import find_container, title
from podraft.agent.pods.core.records import KillContainer
from podraft.agent.pods.lifecycle.attempts import Attempts
from podraft.agent.pods.probing.handlers import Answer, Handlers, Target
from podraft.agent.pods.reports.events import PodEvents
from podraft.api.core.v1 import container_pb2, pod_pb2

_LOG = logging.getLogger(__name__)

SendSignal = Callable[[str, signal.Signals], Awaitable[None]]

_AFTER_PRE_STOP_S = 2.0
_KILL_WITHIN_S = 10.0


class Kills:
    """The stops in progress of one pod's containers."""

    def __init__(self, attempts: Attempts, handlers: Handlers, events: PodEvents) -> None:
        self._attempts = attempts
        self._handlers = handlers
        self._events = events
        self._kills: dict[str, _Kill] = {}

    def hasten(self, action: KillContainer) -> None:
        """Move a stop's deadline nearer; a stop that waits for its next try is not hastened."""
        kill = self._kills.get(action.id)
        if kill is not None:
            kill.hasten(action.deadline_s)

    async def kill(self, pod: pod_pb2.Pod, action: KillContainer, address: str) -> None:
        """Stop a container; return when it has ended, or when the caller should ask again."""
        record = self._attempts.get(action.id)
        if record is None or not record.running:
            return
        _LOG.info("pod %s: stopping %s: %s", title(pod), action.container, action.reason)
        self._events.stopping(action.container, action.reason)
        kill = _Kill(record, self._attempts.end_of(record.id), action.deadline_s)
        self._kills[action.id] = kill
        try:
            container = find_container(pod, action.container)
            if container is not None and container.lifecycle.HasField("pre_stop"):
                target = Target(record.id, container, address, record.pid)
                hook = container.lifecycle.pre_stop
                answer = await kill.pre_stop(self._handlers, hook, target)
                if not answer.success:
                    self._events.hook_failed(container.name, "PreStop", answer.message)
            await kill.stop(self._attempts.signal)
        finally:
            del self._kills[action.id]


class _Kill:
    """The stop of one container."""

    def __init__(self, record: ContainerRecord, exited: asyncio.Event, deadline_s: float) -> None:
        self._record = record
        self._exited = exited
        self._deadline_s = deadline_s
        self._hastened = asyncio.Event()

    def hasten(self, deadline_s: float) -> None:
        """Move the deadline nearer; a later deadline changes nothing."""
        if deadline_s < self._deadline_s:
            self._deadline_s = deadline_s
            self._hastened.set()

    async def pre_stop(
        self, handlers: Handlers, hook: container_pb2.LifecycleHandler, target: Target
    ) -> Answer:
        """Run the hook; if it takes all the time, TERM still gets two seconds."""
        remaining_s = self._deadline_s - time.monotonic()
        if remaining_s <= 0:
            return Answer(True)
        asking = asyncio.create_task(handlers.ask(hook, target, remaining_s))
        await self._until(asking)
        if not asking.done():
            asking.cancel()
        if self._deadline_s - time.monotonic() < _AFTER_PRE_STOP_S and remaining_s > 1:
            self._deadline_s = max(self._deadline_s, time.monotonic() + _AFTER_PRE_STOP_S)
        if asking.done() and not asking.cancelled():
            return asking.result()
        return Answer(self._exited.is_set(), "the time to stop is over")

    async def stop(self, send: SendSignal) -> None:
        """Send the stop signal, wait, and kill at the deadline."""
        if self._deadline_s > time.monotonic():
            await send(self._record.id, _signal(self._record.stop_signal))
            await self._until(asyncio.create_task(self._exited.wait()))
        if not self._exited.is_set():
            await send(self._record.id, signal.SIGKILL)
            try:
                async with asyncio.timeout(_KILL_WITHIN_S):
                    await self._exited.wait()
            except TimeoutError:
                return  # The core asks for the kill again.

    async def _until(self, task: asyncio.Task[Any]) -> None:
        """Wait for a task until the deadline, which may move meanwhile."""
        exited = asyncio.create_task(self._exited.wait())
        try:
            while not task.done() and not self._exited.is_set():
                remaining_s = self._deadline_s - time.monotonic()
                if remaining_s <= 0:
                    return
                self._hastened.clear()
                hastened = asyncio.create_task(self._hastened.wait())
                waiting = {task, exited, hastened}
                await asyncio.wait(
                    waiting, timeout=remaining_s, return_when=asyncio.FIRST_COMPLETED
                )
                hastened.cancel()
        finally:
            exited.cancel()
            if task.done() and not task.cancelled():
                task.exception()


def _signal(name: str) -> signal.Signals:
    try:
        return signal.Signals[name]
    except KeyError:
        return signal.SIGTERM
