"""A simulated node for the pod core: virtual time, random failures, and the rules it must keep."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from podraft.agent.pods.core.plan import plan
from podraft.agent.pods.core.records import (
    Action,
    ContainerPhase,
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
    ReleaseSandbox,
    RemoveContainer,
    StartContainer,
)
from podraft.api.core.v1 import pod_pb2
from podraft.client.clock import Clock


def make_pod(
    *names: str, init: tuple[str, ...] = (), policy: str = "Always", grace_s: int = 5
) -> pod_pb2.Pod:
    """Return a pod with containers of these names."""
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace, pod.metadata.uid = "web", "default", "uid-1"
    pod.spec.restart_policy = policy
    pod.spec.termination_grace_period_seconds = grace_s
    for name in names:
        pod.spec.containers.add(name=name, image="localhost/app:1")
    for name in init:
        pod.spec.init_containers.add(name=name, image="localhost/app:1")
    return pod


@dataclass
class Chances:
    """How likely each misfortune is."""

    image_fails: float = 0.0
    create_fails: float = 0.0
    sandbox_fails: float = 0.0
    exits_within_s: tuple[float, float] | None = None
    exit_codes: tuple[int, ...] = (1,)
    ignores_term: float = 0.0


@dataclass
class World:
    """Carries out the core's actions; raises AssertionError when a rule is broken."""

    pod: pod_pb2.Pod
    random: random.Random
    chances: Chances = field(default_factory=Chances)
    now_s: float = 1_000_000.0
    # How far the wall's clock, whose stamps containers have, is ahead of the steady one.
    ahead_s: float = 0.0
    # How far the container runtime's clock is ahead of the agent's.
    stamps_ahead_s: float = 0.0
    containers: dict[str, ObservedContainer] = field(default_factory=dict)
    address: str | None = None
    sandbox_failure: Failure | None = None
    images: dict[ImageKey, str | Failure] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    probes: dict[ProbeKey, bool] = field(default_factory=dict)
    terminating_since_s: float | None = None
    released: bool = False
    pulls_end: bool = True
    deleted: bool = False
    in_flight: dict[str, Action] = field(default_factory=dict)
    queue: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    sequence: int = 0
    starts: list[tuple[float, str, int]] = field(default_factory=list)
    kill_deadlines: dict[str, float] = field(default_factory=dict)
    decision: Decision = field(default_factory=lambda: Decision((), pod_pb2.PodStatus()))

    def __post_init__(self) -> None:
        self.clock = Clock(lambda: self.now_s + self.ahead_s, lambda: self.now_s)

    @property
    def stamp_s(self) -> float:
        """What the container runtime writes down now."""
        return self.now_s + self.ahead_s + self.stamps_ahead_s

    def inputs(self) -> Inputs:
        return Inputs(
            pod=self.pod,
            now=self.clock.now(),
            node_ip="10.0.0.1",
            containers=tuple(self.containers.values()),
            address=self.address,
            sandbox_failure=self.sandbox_failure,
            images=dict(self.images),
            failures=dict(self.failures),
            probes=dict(self.probes),
            terminating_since_s=self.terminating_since_s,
            in_flight=frozenset(self.in_flight),
            sandbox_released=self.released,
        )

    def run(self, for_s: float) -> None:
        """Let virtual time pass."""
        end_s = self.now_s + for_s
        for _ in range(200_000):
            self.decide()
            wake_s = self.decision.wake_at_s
            next_s = self.queue[0][0] if self.queue else None
            moments = [at_s for at_s in (wake_s, next_s) if at_s is not None]
            if not moments or min(moments) > end_s or self.deleted:
                self.now_s = end_s
                return
            self.now_s = max(self.now_s, min(moments))
            while self.queue and self.queue[0][0] <= self.now_s:
                heapq.heappop(self.queue)[2]()
        raise AssertionError("the core never comes to rest")

    def decide(self) -> None:
        self.decision = plan(self.inputs())
        assert plan(self.inputs()) == self.decision, "the core is not a function"
        self.pod.status.CopyFrom(self.decision.status)
        for action in self.decision.actions:
            if isinstance(action, KillContainer) and action.key in self.in_flight:
                self.hasten(action)
                continue
            assert action.key not in self.in_flight, f"{action} is in flight already"
            self.in_flight[action.key] = action
            self.begin(action)
        self.check()

    def check(self) -> None:
        alive: dict[str, int] = {}
        for container in self.containers.values():
            if container.phase is not ContainerPhase.EXITED:
                alive[container.name] = alive.get(container.name, 0) + 1
        assert all(count == 1 for count in alive.values()), f"two instances: {alive}"

    def at(self, delay_s: float, work: Callable[[], None]) -> None:
        self.sequence += 1
        heapq.heappush(self.queue, (self.now_s + delay_s, self.sequence, work))

    def done(self, action: Action, outcome: Callable[[], object]) -> None:
        def finish() -> None:
            outcome()
            self.in_flight.pop(action.key, None)

        self.at(self.random.uniform(0.001, 0.3), finish)

    def begin(self, action: Action) -> None:
        match action:
            case PrepareSandbox():
                self.done(action, self._sandbox)
            case PrepareImage():
                if self.pulls_end:
                    self.done(action, lambda: self._image(action))
            case StartContainer():
                assert self.address is not None, "started without a sandbox"
                assert not self.released, "started after the release"
                self.done(action, lambda: self._start(action))
            case KillContainer():
                self.kill_deadlines[action.id] = action.deadline_s
                self._kill(action)
            case RemoveContainer():
                assert self.containers[action.id].phase is not ContainerPhase.RUNNING
                self.done(action, lambda: self.containers.pop(action.id))
            case ReleaseSandbox():
                assert not self.running(), "released under a running container"
                self.done(action, self._release)
            case DeletePod():
                assert not self.containers
                assert self.released
                self.done(action, self._delete)

    def running(self) -> list[ObservedContainer]:
        return [c for c in self.containers.values() if c.phase is ContainerPhase.RUNNING]

    def chance(self, of: float) -> bool:
        return self.random.random() < of

    def _sandbox(self) -> None:
        if self.chance(self.chances.sandbox_fails):
            count = self.sandbox_failure.count + 1 if self.sandbox_failure else 1
            self.sandbox_failure = Failure("FailedMount", "no", self.now_s, count)
        else:
            self.sandbox_failure, self.address = None, "10.244.0.9"

    def _image(self, action: PrepareImage) -> None:
        key = ImageKey(action.container, action.attempt)
        before = self.images.get(key)
        if self.chance(self.chances.image_fails):
            count = before.count + 1 if isinstance(before, Failure) else 1
            self.images[key] = Failure("ErrImagePull", "no route", self.now_s, count)
        else:
            self.images[key] = "sha256:1"

    def _start(self, action: StartContainer) -> None:
        if self.chance(self.chances.create_fails):
            before = self.failures.get(action.container)
            count = before.count + 1 if before else 1
            failure = Failure("CreateContainerError", "no", self.now_s, count)
            self.failures[action.container] = failure
            return
        self.failures.pop(action.container, None)
        identity = f"{action.container}-{action.attempt}"
        assert identity not in self.containers, f"attempt {identity} was made twice"
        self.starts.append((self.now_s, action.container, action.attempt))
        self.containers[identity] = ObservedContainer(
            id=identity,
            name=action.container,
            attempt=action.attempt,
            phase=ContainerPhase.RUNNING,
            image="localhost/app:1",
            image_id=action.image_id,
            backoff_s=action.backoff_s,
            started_s=self.stamp_s,
        )
        within = self.chances.exits_within_s
        if within is not None:
            code = self.random.choice(self.chances.exit_codes)
            self.at(self.random.uniform(*within), lambda: self.exit(identity, code))

    def exit(self, identity: str, code: int) -> None:
        container = self.containers.get(identity)
        if container is None or container.phase is not ContainerPhase.RUNNING:
            return
        self.containers[identity] = replace(
            container,
            phase=ContainerPhase.EXITED,
            exit_code=code,
            finished_s=self.stamp_s,
        )
        self.in_flight.pop(f"kill/{identity}", None)

    def _kill(self, action: KillContainer) -> None:
        if self.chance(self.chances.ignores_term):
            self.at(max(0.0, action.deadline_s - self.now_s), lambda: self.exit(action.id, 137))
        else:
            self.at(self.random.uniform(0.0, 0.5), lambda: self.exit(action.id, 143))

    def hasten(self, action: KillContainer) -> None:
        if action.deadline_s < self.kill_deadlines[action.id]:
            self.kill_deadlines[action.id] = action.deadline_s
            self.at(max(0.0, action.deadline_s - self.now_s), lambda: self.exit(action.id, 137))

    def _release(self) -> None:
        self.address, self.released = None, True

    def _delete(self) -> None:
        self.deleted = True

    def container_status(self, name: str) -> pod_pb2.ContainerStatus:
        status = self.pod.status
        every = (*status.init_container_statuses, *status.container_statuses)
        return next(c for c in every if c.name == name)
