"""One pod's worker: observe, ask the core, begin its actions, until nothing of the pod is left.

Owns: the actions that run now. Knowledge of the pod belongs to the parts that carry them out:
its sandbox, its attempts, images, starts and stops, its probes.

Invariant: all state of a pod changes on the event loop; an action runs once at a time (by its
key), and its outcome only becomes an input of the next decision. Every fault, ours included, is
reported to the user and retried with a back-off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable
from typing import Any

from podraft.agent.podman.core import spec
from podraft.agent.podman.core.records import ContainerRecord
from podraft.agent.pods.core.plan import plan
from podraft.agent.pods.core.pod_spec import container_of, title
from podraft.agent.pods.core.probing import probe_of
from podraft.agent.pods.core.records import (
    Action,
    Decision,
    DeletePod,
    Inputs,
    KillContainer,
    PrepareImage,
    PrepareSandbox,
    ProbeKey,
    ReleaseSandbox,
    RemoveContainer,
    StartContainer,
)
from podraft.agent.pods.lifecycle.attempts import Attempts
from podraft.agent.pods.lifecycle.killing import Kills
from podraft.agent.pods.lifecycle.pod_images import PodImages
from podraft.agent.pods.lifecycle.starts import Starts
from podraft.agent.pods.node import Node
from podraft.agent.pods.probing.handlers import Target
from podraft.agent.pods.probing.probes import PodProbes, ProbeTask
from podraft.agent.pods.reports import faults
from podraft.agent.pods.reports.events import PodEvents
from podraft.agent.pods.reports.faults import Faults
from podraft.agent.pods.sandbox.ending import Ending
from podraft.agent.pods.sandbox.sandbox import Sandbox
from podraft.api.core.v1 import pod_pb2
from podraft.api.objects.deletion import is_deleting


class PodWorker:
    """A worker that keeps one pod as the API wants it; create, `update` and `adopt`, then `run`."""

    def __init__(self, node: Node, uid: str) -> None:
        self.uid = uid
        self.pod = pod_pb2.Pod()
        self._node = node
        self._wake = asyncio.Event()
        self._in_stored_api = True
        self._done = False
        self._actions: dict[str, asyncio.Task[None]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._ending = ending = Ending()
        self._events = events = PodEvents(node.recorder)
        self._faults = Faults(events)
        self._sandbox = Sandbox(node.ground, uid, events, ending)
        self._probes = PodProbes(node.probes, events, ending, self._wake.set)
        self._attempts = Attempts(node.runtime, self._wake.set, self._probes.forget, self._spawn)
        self._images = PodImages(node.images, events)
        handlers = node.probes.handlers
        self._starts = Starts(
            node.starter, handlers, self._sandbox, self._images, self._attempts, events, ending
        )
        self._kills = Kills(self._attempts, handlers, events)

    # Calls by the manager.

    def update(self, pod: pod_pb2.Pod) -> None:
        """Take a new version of the pod from the API."""
        self.pod = pod
        self._events.about(pod)
        if is_deleting(pod.metadata):
            self._ending.begin()
        self._wake.set()

    def abandon(self) -> None:
        """Stop the pod and remove everything of it: the API no longer knows it."""
        self._in_stored_api = False
        self._ending.begin()
        self._wake.set()

    def configuration_changed(self) -> None:
        """React to a change of a ConfigMap or Secret that the pod names."""
        self._starts.configuration_changed()
        self._sandbox.configuration_changed()
        if self._sandbox.in_use:
            self._spawn(self._refresh_volumes())
        self._wake.set()

    def adopt(self, record: ContainerRecord) -> None:
        """Take over a container from before this agent's start, running or ended."""
        if self._attempts.adopt(record):
            self._probes.adopt(record.id, self.pod.status)

    def records(self) -> tuple[ContainerRecord, ...]:
        """Return the pod's containers as last seen."""
        return self._attempts.records()

    def lost(self, container_id: str) -> None:
        """Forget a container that somebody else removed."""
        if f"remove/{container_id}" not in self._actions:
            self._attempts.forget(container_id)
            self._wake.set()

    # The loop.

    async def run(self) -> None:
        """Work until nothing of the pod is left on this node."""
        try:
            while not self._done:
                self._wake.clear()
                await self._sleep_until(self._step())
        finally:
            self._probes.close()
            for task in (*self._actions.values(), *self._background):
                task.cancel()
            self._attempts.close()

    def _step(self) -> float | None:
        """Decide and begin the decided actions; return when to look again at the latest."""
        try:
            decision = plan(self._inputs())
            self._apply(decision)
        except Exception as error:  # noqa: BLE001 - see the module's invariant
            return time.monotonic() + self._faults.happened(title(self.pod), "plan", error)
        self._faults.over("plan")
        return decision.wake_at_s

    def _inputs(self) -> Inputs:
        attachment = self._sandbox.attachment
        return Inputs(
            pod=self.pod,
            now=self._node.clock.now(),
            node_ip=self._node.ground.node_address,
            containers=self._attempts.observed(),
            address=attachment.address if attachment else None,
            sandbox_failure=self._sandbox.failure,
            images=self._images.states(),
            failures=dict(self._starts.failures),
            probes=self._probes.verdicts,
            terminating_since_s=self._ending.since_s,
            in_flight=frozenset(self._actions),
            sandbox_released=self._sandbox.released,
        )

    def _apply(self, decision: Decision) -> None:
        if self._in_stored_api:
            self._node.statuses.put(self.pod, decision.status)
            self._events.status(decision.status)
        self._probes.run_exactly(self._probe_tasks(decision.probes))
        for action in decision.actions:
            self._begin(action)

    def _probe_tasks(self, keys: Iterable[ProbeKey]) -> dict[ProbeKey, ProbeTask]:
        tasks = {}
        for key in keys:
            record = self._attempts.get(key.container_id)
            assert record is not None  # The core was just asked with this record.
            container = container_of(self.pod, record.labels[spec.LABEL_CONTAINER])
            probe = probe_of(container, key.kind)
            if probe is not None:
                address = self._sandbox.address(self.pod)
                tasks[key] = ProbeTask(
                    key=key,
                    probe=probe,
                    target=Target(record.id, container, address, record.pid),
                    running_for_s=self._node.clock.now().age_s(record.started_s),
                    adopted=self._attempts.is_adopted(record.id),
                )
        return tasks

    async def _sleep_until(self, at_s: float | None) -> None:
        timeout_s = None if at_s is None else max(0.0, at_s - time.monotonic()) + 0.001
        try:
            # Not wait_for: in Python 3.11 it swallows a cancellation that coincides with a wake-up.
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return

    # Actions.

    def _begin(self, action: Action) -> None:
        if isinstance(action, KillContainer) and action.key in self._actions:
            self._kills.hasten(action)
            return
        task = asyncio.create_task(self._carry_out(action))
        self._actions[action.key] = task

        def finished(_: asyncio.Task[None]) -> None:
            self._actions.pop(action.key, None)
            self._wake.set()

        task.add_done_callback(finished)

    async def _carry_out(self, action: Action) -> None:
        try:
            await self._act(action)
        except Exception as error:  # noqa: BLE001 - see the module's invariant
            if not faults.is_expected(error):
                self._tell_failure(action, faults.describe(error))
            pause_s = self._faults.happened(title(self.pod), action.key, error)
            await asyncio.sleep(pause_s)
        else:
            self._faults.over(action.key)

    async def _act(self, action: Action) -> None:
        pod = self.pod
        match action:
            case PrepareSandbox():
                await self._sandbox.prepare(pod)
            case PrepareImage():
                await self._images.prepare(pod, action)
            case StartContainer():
                await self._starts.start(pod, action)
            case KillContainer():
                await self._kills.kill(pod, action, self._sandbox.address(pod))
            case RemoveContainer():
                await self._attempts.remove(action.id)
            case ReleaseSandbox():
                await self._sandbox.release(pod)
            case DeletePod():
                await self._delete(pod)

    def _tell_failure(self, action: Action, message: str) -> None:
        """Put a failure that no rule foresaw into the status."""
        match action:
            case PrepareSandbox():
                self._sandbox.failed(message)
            case PrepareImage():
                self._images.failed(action, message)
            case StartContainer():
                self._starts.failed(action, message)

    async def _refresh_volumes(self) -> None:
        try:
            await self._sandbox.refresh(self.pod)
        except Exception as error:  # noqa: BLE001 - see the module's invariant
            self._faults.happened(title(self.pod), "refresh", error)
        else:
            self._faults.over("refresh")

    async def _delete(self, pod: pod_pb2.Pod) -> None:
        await self._sandbox.remove()
        if self._in_stored_api:
            await self._node.statuses.delete(pod)
        self._node.statuses.forget(self.uid)
        self._done = True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
