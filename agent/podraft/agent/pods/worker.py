"""One pod's worker: observe, ask the core, begin what it returns, until nothing of the pod is left.

Invariant: all state of a pod changes here, on the event loop; an action runs once at a
time (by its key), and its outcome only becomes an input of the next decision.  Whatever
goes wrong, a fault of ours included, is told to the user and tried again with a back-off.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine
from typing import Any

from podraft.agent.podman.client import PodmanError
from podraft.agent.podman.core import spec
from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.podman.core.records import ContainerRecord, ImageRecord
from podraft.agent.pods.core.observing import observed
from podraft.agent.pods.core.plan import plan
from podraft.agent.pods.core.probing import probe_of
from podraft.agent.pods.core.records import (
    Action,
    Decision,
    DeletePod,
    Failure,
    ImageKey,
    Inputs,
    KillContainer,
    ObservedContainer,
    PrepareImage,
    PrepareSandbox,
    ProbeKey,
    ProbeKind,
    ReleaseSandbox,
    RemoveContainer,
    StartContainer,
)
from podraft.agent.pods.lifecycle import starting
from podraft.agent.pods.lifecycle.images import ImageError
from podraft.agent.pods.lifecycle.killing import Kill
from podraft.agent.pods.lifecycle.reaping import until_ended
from podraft.agent.pods.node import Attachment, Node
from podraft.agent.pods.probing.handlers import Target, until_event
from podraft.agent.pods.probing.probes import PodProbes, ProbeTask
from podraft.agent.pods.reports import faults
from podraft.agent.pods.reports.events import PodEvents
from podraft.agent.pods.reports.faults import Faults
from podraft.agent.volumes.core import files
from podraft.agent.volumes.manager import remove_cgroups
from podraft.api.core.v1 import container_pb2, pod_pb2
from podraft.api.objects.deletion import is_deleting

_log = logging.getLogger(__name__)

_CGROUP_TRIES = 200
_POST_START_WITHIN_S = 600.0


class PodWorker:
    """Keeps one pod as the API wants it; create, `update` and `adopt`, then `run`."""

    def __init__(self, node: Node, uid: str) -> None:
        self.uid = uid
        self.pod = pod_pb2.Pod()
        self._node = node
        self._wake = asyncio.Event()
        self._containers: dict[str, ContainerRecord] = {}
        self._exited: dict[str, asyncio.Event] = {}
        self._run_errors: dict[str, tuple[str, float]] = {}
        self._adopted: set[str] = set()
        self._images: dict[ImageKey, ImageRecord | Failure] = {}
        self._failures: dict[str, Failure] = {}
        self._attachment: Attachment | None = None
        self._sandbox_failure: Failure | None = None
        self._released = False
        self._terminating_since_s: float | None = None
        self._terminating = asyncio.Event()
        self._refreshing = asyncio.Lock()
        self._in_stored_api = True
        self._kills: dict[str, Kill] = {}
        self._actions: dict[str, asyncio.Task[None]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._events = PodEvents(node.recorder)
        self._faults = Faults(self._events)
        self._probes = PodProbes(node.probes, self._wake.set, self._probe_failed)
        self._done = False

    # What the manager tells.

    def update(self, pod: pod_pb2.Pod) -> None:
        """Take a new version of the pod from the API."""
        self.pod = pod
        self._events.about(pod)
        if is_deleting(pod.metadata):
            self._terminate()
        self._wake.set()

    def abandon(self) -> None:
        """The API knows the pod no more: stop it and leave nothing."""
        self._in_stored_api = False
        self._terminate()
        self._wake.set()

    def _terminate(self) -> None:
        if self._terminating_since_s is None:
            self._terminating_since_s = time.monotonic()
            self._terminating.set()

    def configuration_changed(self) -> None:
        """A ConfigMap or Secret that the pod names is another now."""
        for name, failure in tuple(self._failures.items()):
            if failure.reason == "CreateContainerConfigError":
                del self._failures[name]
        self._sandbox_failure = None
        if self._attachment is not None and not self._released:
            self._spawn(self._refresh_volumes())
        self._wake.set()

    def adopt(self, record: ContainerRecord) -> None:
        """Take over a container that runs, or ended, from before this agent's start."""
        if record.id in self._containers:
            if record.running != self._containers[record.id].running:
                self._observe(record)
            return
        self._adopted.add(record.id)
        self._observe(record)
        self._assume_probes(record)

    def records(self) -> tuple[ContainerRecord, ...]:
        """Return the pod's containers as seen last."""
        return tuple(self._containers.values())

    def known(self) -> set[str]:
        """Return the ids of the containers that the worker knows."""
        return set(self._containers)

    def lost(self, container_id: str) -> None:
        """Somebody else removed a container."""
        if f"remove/{container_id}" not in self._actions:
            self._forget(container_id)
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
            for container_id in self._containers:
                self._node.exits.forget(container_id)

    def _step(self) -> float | None:
        """Decide and begin what was decided; return when to look again at the latest."""
        try:
            decision = plan(self._inputs())
            self._apply(decision)
        except Exception as error:  # noqa: BLE001 - see the module's invariant
            return time.monotonic() + self._faults.happened(self._title(), "plan", error)
        self._faults.over("plan")
        return decision.wake_at_s

    def _apply(self, decision: Decision) -> None:
        if self._in_stored_api:
            self._node.statuses.put(self.pod, decision.status)
            self._events.status(decision.status)
        self._probes.run_exactly(
            {key: task for key in decision.probes if (task := self._probe_task(key)) is not None}
        )
        for action in decision.actions:
            self._begin(action)

    async def _sleep_until(self, at_s: float | None) -> None:
        timeout_s = None if at_s is None else max(0.0, at_s - time.monotonic()) + 0.001
        try:
            # Not wait_for: in Python 3.11 that swallows a cancellation that meets a wake-up.
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return

    def _inputs(self) -> Inputs:
        return Inputs(
            pod=self.pod,
            now=self._node.clock.now(),
            node_ip=self._node.address,
            containers=tuple(self._observed(record) for record in self._containers.values()),
            address=self._attachment.address if self._attachment else None,
            sandbox_failure=self._sandbox_failure,
            images={
                key: image.id if isinstance(image, ImageRecord) else image
                for key, image in self._images.items()
            },
            failures=dict(self._failures),
            probes=self._probes.verdicts,
            terminating_since_s=self._terminating_since_s,
            in_flight=frozenset(self._actions),
            sandbox_released=self._released,
        )

    def _begin(self, action: Action) -> None:
        if isinstance(action, KillContainer) and action.key in self._actions:
            kill = self._kills.get(action.id)
            if kill is not None:  # Else it begins, or is about to be tried again.
                kill.hasten(action.deadline_s)
            return
        task = asyncio.create_task(self._carry_out(action))
        self._actions[action.key] = task

        def finished(_: asyncio.Task[None]) -> None:
            self._actions.pop(action.key, None)
            self._wake.set()

        task.add_done_callback(finished)

    async def _carry_out(self, action: Action) -> None:
        try:
            match action:
                case PrepareSandbox():
                    await self._prepare_sandbox()
                case PrepareImage():
                    await self._prepare_image(action)
                case StartContainer():
                    await self._start(action)
                case KillContainer():
                    await self._kill(action)
                case RemoveContainer():
                    await self._node.podman.remove_container(action.id)
                    self._forget(action.id)
                case ReleaseSandbox():
                    await self._release()
                case DeletePod():
                    await self._delete()
        except Exception as error:  # noqa: BLE001 - see the module's invariant
            if not faults.is_expected(error):
                self._tell_failure(action, faults.describe(error))
            await asyncio.sleep(self._faults.happened(self._title(), action.key, error))
        else:
            self._faults.over(action.key)

    def _tell_failure(self, action: Action, message: str) -> None:
        """Let the status say what no rule foresaw."""
        match action:
            case PrepareSandbox():
                before = self._sandbox_failure
                self._sandbox_failure = faults.failed(before, "FailedCreatePodSandBox", message)
            case PrepareImage():
                key = ImageKey(action.container, action.attempt)
                self._images[key] = faults.failed(None, "ErrImagePull", message)
            case StartContainer():
                earlier = self._failures.get(action.container)
                failure = faults.failed(earlier, "CreateContainerError", message)
                self._failures[action.container] = failure

    # Actions.

    async def _prepare_sandbox(self) -> None:
        pod = self.pod
        hostname = files.hostname(pod, self._node.name)
        attaching = self._node.network.attach(
            self.uid, hostname, host_network=pod.spec.host_network
        )
        network, volumes = await asyncio.gather(
            attaching, self._prepare_volumes(pod), return_exceptions=True
        )
        failure = None
        if isinstance(volumes, BaseException):
            failure = faults.failed(self._sandbox_failure, "FailedMount", str(volumes))
        if isinstance(network, BaseException):
            failure = faults.failed(self._sandbox_failure, "FailedCreatePodSandBox", str(network))
        for problem in (network, volumes):
            if isinstance(problem, BaseException) and not isinstance(problem, Exception):
                raise problem
        self._sandbox_failure = failure
        if failure is not None:
            self._events.sandbox_failed(failure.reason, failure.message)
        if failure is None and not isinstance(network, BaseException):
            self._attachment = network

    async def _prepare_volumes(self, pod: pod_pb2.Pod) -> None:
        configuration = await self._node.configuration.configuration(pod)
        await asyncio.to_thread(self._node.volumes.prepare, pod, configuration)

    async def _refresh_volumes(self) -> None:
        async with self._refreshing:
            if self._released or self._terminating.is_set():
                return
            try:
                configuration = await self._node.configuration.configuration(self.pod)
                await asyncio.to_thread(self._node.volumes.refresh, self.pod, configuration)
            except Exception as error:  # noqa: BLE001 - see the module's invariant
                self._faults.happened(self._title(), "refresh", error)
            else:
                self._faults.over("refresh")

    async def _prepare_image(self, action: PrepareImage) -> None:
        container = self._container_spec(action.container)
        key = ImageKey(action.container, action.attempt)
        pull = self._events.pull(container)
        try:
            self._images[key] = await self._node.images.ensure(
                container.image, container.image_pull_policy, pull.began
            )
            pull.succeeded()
        except ImageError as error:
            earlier = self._images.get(key)
            before = earlier if isinstance(earlier, Failure) else None
            self._images[key] = faults.failed(before, error.reason, str(error))
            self._events.image_failed(container, error.reason, str(error))

    async def _start(self, action: StartContainer) -> None:
        container = self._container_spec(action.container)
        image = self._images[ImageKey(action.container, action.attempt)]
        assert self._attachment is not None
        assert isinstance(image, ImageRecord)
        try:
            record = await starting.start(
                self._node, self.pod, container, action, self._attachment, image, self._events
            )
        except starting.StartError as error:
            before = self._failures.get(action.container)
            self._failures[action.container] = faults.failed(before, error.reason, str(error))
            self._events.start_failed(action.container, str(error))
            # The image may have been removed in the meantime: look again.
            self._images.pop(ImageKey(action.container, action.attempt), None)
            return
        except starting.RunError as error:
            self._run_errors[error.record.id] = (str(error), time.time())
            self._events.start_failed(action.container, str(error))
            record = error.record
        self._failures.pop(action.container, None)
        self._images = {k: v for k, v in self._images.items() if k.container != action.container}
        if record.running and container.lifecycle.HasField("post_start"):
            await self._post_start(container, record)
        self._observe(record)

    async def _post_start(
        self, container: container_pb2.Container, record: ContainerRecord
    ) -> None:
        target = Target(record.id, container, self._address(), record.pid)
        hook = container.lifecycle.post_start
        answer = await until_event(
            self._node.probes.handlers.ask(hook, target, _POST_START_WITHIN_S), self._terminating
        )
        if answer is None:
            return  # A pod that is being deleted is not kept by a hook that hangs.
        if not answer.success:
            self._events.hook_failed(container.name, "PostStart", answer.message)
            try:
                await self._node.podman.kill_container(record.id, "SIGKILL")
            except PodmanError as error:
                # It has ended by itself, or will be found running and is not lost.
                _log.info("pod %s: %s", self._title(), error.message)

    async def _kill(self, action: KillContainer) -> None:
        record = self._containers.get(action.id)
        if record is None or not record.running:
            return
        _log.info("pod %s: stopping %s: %s", self._title(), action.container, action.reason)
        self._events.stopping(action.container, action.reason)
        kill = Kill(record, self._exited[record.id], action.deadline_s)
        self._kills[action.id] = kill
        try:
            container = self._find_container_spec(action.container)
            if container is not None and container.lifecycle.HasField("pre_stop"):
                target = Target(record.id, container, self._address(), record.pid)
                hook, handlers = container.lifecycle.pre_stop, self._node.probes.handlers
                answer = await kill.pre_stop(handlers, hook, target)
                if not answer.success:
                    self._events.hook_failed(container.name, "PreStop", answer.message)
            await kill.stop(self._send_signal)
        finally:
            del self._kills[action.id]

    async def _send_signal(self, container_id: str, number: signal.Signals) -> None:
        if not self._node.exits.signal(container_id, number):
            await self._reap(container_id)

    async def _release(self) -> None:
        await self._node.network.detach(self.uid)
        terminating = self._terminating_since_s is not None
        volumes = self._node.volumes
        remove = volumes.remove if terminating else volumes.release
        async with self._refreshing:
            await asyncio.to_thread(remove, self.uid)
            self._released = True
        parent = self._node.facts.cgroup_parent(self.uid)
        for _ in range(_CGROUP_TRIES):
            if await asyncio.to_thread(remove_cgroups, parent):
                break
            await asyncio.sleep(0.05)
        else:
            _log.warning("pod %s: its cgroup %s stays: it is in use", self._title(), parent)
        self._node.configuration.leave(self.uid)
        self._attachment = None

    async def _delete(self) -> None:
        # A pod that had ended kept its logs until now.
        await asyncio.to_thread(self._node.volumes.remove, self.uid)
        if self._in_stored_api:
            await self._node.statuses.delete(self.pod)
        self._node.statuses.forget(self.uid)
        self._done = True

    # Observation.

    def _observe(self, record: ContainerRecord) -> None:
        self._containers[record.id] = record
        exited = self._exited.setdefault(record.id, asyncio.Event())
        if record.running:
            container_id = record.id
            self._node.exits.watch(
                container_id, record.pid, lambda: self._spawn(self._reap(container_id))
            )
        elif record.exited:
            self._node.exits.forget(record.id)
            self._probes.forget(record.id)
            exited.set()
        self._wake.set()

    async def _reap(self, container_id: str) -> None:
        record = await until_ended(self._node.podman, container_id, self._containers.get)
        if record is not None:
            self._observe(record)
        elif container_id in self._containers:
            self._forget(container_id)
            self._wake.set()

    def _forget(self, container_id: str) -> None:
        self._containers.pop(container_id, None)
        self._run_errors.pop(container_id, None)
        self._node.exits.forget(container_id)
        self._probes.forget(container_id)
        exited = self._exited.pop(container_id, None)
        if exited is not None:
            exited.set()

    def _observed(self, record: ContainerRecord) -> ObservedContainer:
        killed = record.oom_killed or self._node.out_of_memory.killed(record.id)
        return observed(record, self._run_errors.get(record.id), out_of_memory=killed)

    def _assume_probes(self, record: ContainerRecord) -> None:
        """A container that was ready before the agent's restart is ready until a probe fails."""
        for status in self.pod.status.container_statuses:
            if status.container_id == f"podman://{record.id}" and status.started:
                self._probes.assume(ProbeKey(record.id, ProbeKind.STARTUP), True)
                self._probes.assume(ProbeKey(record.id, ProbeKind.READINESS), status.ready)

    # Small helpers.

    def _probe_failed(self, task: ProbeTask, message: str) -> None:
        if self._terminating_since_s is None:
            self._events.unhealthy(task.target.container.name, task.key.kind, message)

    def _probe_task(self, key: ProbeKey) -> ProbeTask | None:
        record = self._containers[key.container_id]
        container = self._container_spec(record.labels[spec.LABEL_CONTAINER])
        probe = probe_of(container, key.kind)
        if probe is None:
            return None
        return ProbeTask(
            key=key,
            probe=probe,
            target=Target(record.id, container, self._address(), record.pid),
            running_for_s=self._node.clock.now().age_s(record.started_s),
            adopted=record.id in self._adopted,
        )

    def _address(self) -> str:
        if self.pod.spec.host_network:
            return self._node.address
        return self._attachment.address if self._attachment else self.pod.status.pod_ip

    def _container_spec(self, name: str) -> container_pb2.Container:
        container = self._find_container_spec(name)
        if container is None:
            raise ConfigurationError(f"the pod has no container {name}")
        return container

    def _find_container_spec(self, name: str) -> container_pb2.Container | None:
        for container in (*self.pod.spec.init_containers, *self.pod.spec.containers):
            if container.name == name:
                return container
        return None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _title(self) -> str:
        return f"{self.pod.metadata.namespace}/{self.pod.metadata.name}"
