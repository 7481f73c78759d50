"""The attempts at running one pod's containers: the observations of each, until its removal.

Invariant: those who wait for an attempt's end learn of it once its record says so, or once
nothing of the attempt is left; the end of a process is noticed without asking Podman.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from podraft.agent.podman.client import PodmanClient
from podraft.agent.podman.core.records import ContainerRecord
from podraft.agent.pods.core.observing import observed
from podraft.agent.pods.core.records import ObservedContainer
from podraft.agent.pods.lifecycle.exits import ExitWatcher
from podraft.agent.pods.lifecycle.oom import OutOfMemoryLog
from podraft.agent.pods.lifecycle.reaping import until_ended


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts of the node that know its running containers."""

    podman: PodmanClient
    exits: ExitWatcher
    out_of_memory: OutOfMemoryLog


class Attempts:
    """The containers of one pod, as last seen.

    ``changed`` is called when another decision may be due, ``ended`` with the id of an attempt
    that no longer runs; ``spawn`` runs work in the background of the pod.
    """

    def __init__(
        self,
        runtime: Runtime,
        changed: Callable[[], None],
        ended: Callable[[str], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._runtime = runtime
        self._changed = changed
        self._ended = ended
        self._spawn = spawn
        self._records: dict[str, ContainerRecord] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self._run_errors: dict[str, tuple[str, float]] = {}
        self._adopted: set[str] = set()

    def records(self) -> tuple[ContainerRecord, ...]:
        """Return all records."""
        return tuple(self._records.values())

    def get(self, container_id: str) -> ContainerRecord | None:
        """Return the record of one attempt."""
        return self._records.get(container_id)

    def end_of(self, container_id: str) -> asyncio.Event:
        """Return the event that is set when a known attempt has ended."""
        return self._ends[container_id]

    def is_adopted(self, container_id: str) -> bool:
        """Return whether an attempt was started by an earlier agent."""
        return container_id in self._adopted

    def observed(self) -> tuple[ObservedContainer, ...]:
        """Return the attempts as the core sees them."""
        return tuple(self._observed(record) for record in self._records.values())

    def observe(self, record: ContainerRecord) -> None:
        """Store a new record, and watch the process if it runs."""
        self._records[record.id] = record
        end = self._ends.setdefault(record.id, asyncio.Event())
        if record.running:
            container_id = record.id
            self._runtime.exits.watch(
                container_id, record.pid, lambda: self._spawn(self._reap(container_id))
            )
        elif record.exited:
            self._runtime.exits.forget(record.id)
            self._ended(record.id)
            end.set()
        self._changed()

    def adopt(self, record: ContainerRecord) -> bool:
        """Take over a container from before this agent's start; return whether it is new."""
        known = self._records.get(record.id)
        if known is not None:
            if record.running != known.running:
                self.observe(record)
            return False
        self._adopted.add(record.id)
        self.observe(record)
        return True

    def did_not_run(self, record: ContainerRecord, message: str) -> None:
        """Note why an attempt's process could not be started."""
        self._run_errors[record.id] = (message, time.time())

    async def signal(self, container_id: str, number: signal.Signals) -> None:
        """Send a signal to an attempt's first process; a missing process counts as ended."""
        if not self._runtime.exits.signal(container_id, number):
            await self._reap(container_id)

    async def remove(self, container_id: str) -> None:
        """Remove an attempt."""
        await self._runtime.podman.remove_container(container_id)
        self.forget(container_id)

    def forget(self, container_id: str) -> None:
        """Forget an attempt of which nothing is left."""
        self._records.pop(container_id, None)
        self._run_errors.pop(container_id, None)
        self._runtime.exits.forget(container_id)
        self._ended(container_id)
        end = self._ends.pop(container_id, None)
        if end is not None:
            end.set()

    def close(self) -> None:
        """Stop watching; running containers go on."""
        for container_id in self._records:
            self._runtime.exits.forget(container_id)

    async def _reap(self, container_id: str) -> None:
        record = await until_ended(self._runtime.podman, container_id, self._records.get)
        if record is not None:
            self.observe(record)
        elif container_id in self._records:
            self.forget(container_id)
            self._changed()

    def _observed(self, record: ContainerRecord) -> ObservedContainer:
        killed = record.oom_killed or self._runtime.out_of_memory.killed(record.id)
        return observed(record, self._run_errors.get(record.id), out_of_memory=killed)
