"""Running the probes of one pod: one task per probe, bounded over the node.

Invariant: exactly the probes that the core named last are running; a verdict is reported the
moment it changes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from podraft.agent.pods.core.probing import Tally, first_probe_after_s
from podraft.agent.pods.core.records import ProbeKey, ProbeKind
from podraft.agent.pods.probing.handlers import Answer, Handlers, Target
from podraft.agent.pods.reports.events import PodEvents
from podraft.agent.pods.sandbox.ending import Ending
from podraft.api.core.v1 import container_pb2, pod_pb2
from podraft.api.objects import probes

_AT_ONCE = 16
_EAGER_FIRST_S = 0.05


@dataclass(frozen=True, slots=True)
class ProbeTask:
    """The inputs of a probe's task; an adopted container was started by an earlier agent."""

    key: ProbeKey
    probe: container_pb2.Probe
    target: Target
    running_for_s: float
    adopted: bool


class ProbeSlots:
    """The node's bound on probes that ask at once, and the handlers that they use."""

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers
        self.semaphore = asyncio.Semaphore(_AT_ONCE)


class PodProbes:
    """The probes of one pod and their verdicts."""

    def __init__(
        self,
        slots: ProbeSlots,
        events: PodEvents,
        ending: Ending,
        changed: Callable[[], None],
    ) -> None:
        self._slots = slots
        self._events = events
        self._ending = ending
        self._changed = changed
        self._tasks: dict[ProbeKey, asyncio.Task[None]] = {}
        self._tallies: dict[ProbeKey, Tally] = {}

    @property
    def verdicts(self) -> dict[ProbeKey, bool]:
        """The verdicts of the probes that have decided."""
        return {
            key: tally.verdict for key, tally in self._tallies.items() if tally.verdict is not None
        }

    def adopt(self, container_id: str, status: pod_pb2.PodStatus) -> None:
        """Keep a container ready that was ready before the agent's restart, until a probe fails."""
        for container in status.container_statuses:
            if container.container_id == f"podman://{container_id}" and container.started:
                self._assume(ProbeKey(container_id, ProbeKind.STARTUP), True)
                self._assume(ProbeKey(container_id, ProbeKind.READINESS), container.ready)

    def _assume(self, key: ProbeKey, verdict: bool) -> None:
        self._tallies.setdefault(key, Tally(verdict=verdict))

    def run_exactly(self, wanted: dict[ProbeKey, ProbeTask]) -> None:
        """Start and stop probes so that exactly the wanted ones run."""
        for key in self._tasks.keys() - wanted.keys():
            self._tasks.pop(key).cancel()
        for key in wanted.keys() - self._tasks.keys():
            self._tasks[key] = asyncio.create_task(self._run(wanted[key]))

    def forget(self, container_id: str) -> None:
        """Forget everything about one attempt."""
        for key in [key for key in self._tallies if key.container_id == container_id]:
            del self._tallies[key]

    def close(self) -> None:
        """Stop all probes."""
        self.run_exactly({})

    async def _run(self, task: ProbeTask) -> None:
        probe, key = task.probe, task.key
        period_s = float(probes.period_s(probe))
        await asyncio.sleep(first_probe_after_s(probe, task.running_for_s))
        if task.adopted:
            # Otherwise all probes of the node would ask at once after a restart of the agent.
            await asyncio.sleep(random.uniform(0.0, min(period_s, 5.0)))
        eager_s = _EAGER_FIRST_S
        while True:
            answer = await self._ask_once(task)
            pause_s = period_s
            if key.kind is ProbeKind.READINESS and not self.verdicts.get(key):
                # Until a container is ready, asking sooner brings traffic sooner and harms nobody:
                # further failures of a probe whose verdict is "not ready" change nothing.
                pause_s, eager_s = min(eager_s, period_s), 2 * eager_s
            if not answer.success and pause_s >= period_s:
                # Eager probes are expected to fail while a container starts: not worth reporting.
                self._tell_failure(task, answer.message)
            await asyncio.sleep(pause_s)

    def _tell_failure(self, task: ProbeTask, message: str) -> None:
        if self._ending.since_s is None:
            self._events.unhealthy(task.target.container.name, task.key.kind, message)

    async def _ask_once(self, task: ProbeTask) -> Answer:
        timeout_s = float(probes.timeout_s(task.probe))
        async with self._slots.semaphore:
            answer = await self._slots.handlers.ask(task.probe.handler, task.target, timeout_s)
        before = self._tallies.get(task.key, Tally())
        after = before.add(answer.success, task.probe)
        self._tallies[task.key] = after
        if after.verdict != before.verdict:
            self._changed()
        return answer
