"""Containers arranged by their meaning: each one's latest attempt and the one before.

Invariant: all rules about "is it done, may it restart, when" are here, once, for both the
planner and the status.
"""

from __future__ import annotations

from dataclasses import dataclass

from podraft.agent.pods.core import backoff
from podraft.agent.pods.core.probing import probe_of
from podraft.agent.pods.core.records import (
    ContainerPhase,
    ImageKey,
    Inputs,
    ObservedContainer,
    ProbeKey,
    ProbeKind,
)
from podraft.api.core.v1 import container_pb2, pod_pb2
from podraft.api.moments import Now
from podraft.api.objects import pods
from podraft.api.objects.pods import is_finished


@dataclass(frozen=True, slots=True)
class ContainerView:
    """One container of the spec with its latest attempts."""

    spec: container_pb2.Container
    init: bool
    latest: ObservedContainer | None
    previous: ObservedContainer | None
    policy: str
    lost_attempts: int
    now: Now

    @property
    def name(self) -> str:
        """The container's name."""
        return self.spec.name

    @property
    def running(self) -> bool:
        """Whether its latest attempt runs."""
        return self.latest is not None and self.latest.phase is ContainerPhase.RUNNING

    @property
    def exited(self) -> ObservedContainer | None:
        """The latest attempt if it has ended."""
        ended = self.latest is not None and self.latest.phase is ContainerPhase.EXITED
        return self.latest if ended else None

    @property
    def succeeded(self) -> bool:
        """Whether the latest attempt ended successfully."""
        return self.exited is not None and self.exited.exit_code == 0

    @property
    def finished(self) -> bool:
        """Whether the container has ended for good."""
        return self.exited is not None and not self.restarts

    @property
    def restarts(self) -> bool:
        """Whether the restart policy starts the container again after its latest exit."""
        ended = self.exited
        if ended is None:
            return False
        if self.init:
            return ended.exit_code != 0 and self.policy != pods.RESTART_NEVER
        if self.policy == pods.RESTART_ON_FAILURE:
            return ended.exit_code != 0
        return self.policy == pods.RESTART_ALWAYS

    @property
    def restart_at_s(self) -> float:
        """The moment when the next attempt may start; only for a container that `restarts`."""
        assert self.exited is not None
        ended_s = self.now.moment_s(self.exited.finished_s)
        if self.exited.image and self.exited.image != self.spec.image:
            return ended_s
        return ended_s + backoff.crash_delay_s(self.exited, self.now)

    @property
    def next_attempt(self) -> int:
        """The number of the attempt to start now; a created one is started, not duplicated."""
        if self.latest is None:
            return self.lost_attempts
        created = self.latest.phase is ContainerPhase.CREATED
        return self.latest.attempt if created else self.latest.attempt + 1

    @property
    def next_backoff_s(self) -> float:
        """The delay that the next attempt carries in its labels."""
        if self.exited is not None:
            return backoff.next_backoff_s(backoff.crash_delay_s(self.exited, self.now))
        return self.latest.backoff_s if self.latest else 0.0

    @property
    def image_key(self) -> ImageKey:
        """The key of the next attempt's image in the inputs."""
        return ImageKey(self.name, self.next_attempt)


@dataclass(frozen=True, slots=True)
class PodView:
    """All containers of a pod's spec."""

    inputs: Inputs
    init: tuple[ContainerView, ...]
    main: tuple[ContainerView, ...]

    @property
    def pod(self) -> pod_pb2.Pod:
        """The desired pod."""
        return self.inputs.pod

    @property
    def all(self) -> tuple[ContainerView, ...]:
        """All containers, init containers first."""
        return self.init + self.main

    @property
    def initialized(self) -> bool:
        """Whether no init container is left to run; a started main container proves it too."""
        return all(c.succeeded for c in self.init) or any(c.latest for c in self.main)

    @property
    def current_init(self) -> ContainerView | None:
        """The init container whose turn it is, if any."""
        return None if self.initialized else next(c for c in self.init if not c.succeeded)

    @property
    def deadline_exceeded(self) -> bool:
        """Whether the pod has been active for longer than it may be."""
        at_s = self.deadline_s
        return at_s is not None and self.inputs.now_s >= at_s

    @property
    def deadline_s(self) -> float | None:
        """The moment when the pod's active deadline passes, if it has one."""
        pod = self.pod
        if not pod.spec.HasField("active_deadline_seconds") or not pod.status.HasField(
            "start_time"
        ):
            return None
        began_s = self.inputs.now.moment_s(float(pod.status.start_time.seconds))
        return began_s + pod.spec.active_deadline_seconds

    @property
    def ended(self) -> bool:
        """Whether the pod is over for good, by its containers, deadline or stored phase."""
        if is_finished(self.pod) or self.deadline_exceeded:
            return True
        current = self.current_init
        if current is not None:
            return current.finished
        return all(c.finished for c in self.main)

    def started(self, container: ContainerView) -> bool:
        """Return whether a running container has passed its startup probe, if it has one."""
        if not container.running:
            return False
        return self._verdict(container, ProbeKind.STARTUP, without_probe=True, undecided=False)

    def ready(self, container: ContainerView) -> bool:
        """Return whether a container may receive traffic."""
        return self.started(container) and self._verdict(
            container, ProbeKind.READINESS, without_probe=True, undecided=False
        )

    def unhealthy(self, container: ContainerView) -> ProbeKind | None:
        """Return the probe that condemns a running container, if one does."""
        if not container.running:
            return None
        if not self._verdict(container, ProbeKind.STARTUP, without_probe=True, undecided=True):
            return ProbeKind.STARTUP
        if not self._verdict(container, ProbeKind.LIVENESS, without_probe=True, undecided=True):
            return ProbeKind.LIVENESS
        return None

    def _verdict(
        self, container: ContainerView, kind: ProbeKind, *, without_probe: bool, undecided: bool
    ) -> bool:
        if probe_of(container.spec, kind) is None:
            return without_probe
        assert container.latest is not None
        return self.inputs.probes.get(ProbeKey(container.latest.id, kind), undecided)


def arrange(inputs: Inputs) -> PodView:
    """Return the observed containers arranged by the pod's spec."""
    by_name: dict[str, list[ObservedContainer]] = {}
    for container in sorted(inputs.containers, key=lambda c: c.attempt):
        by_name.setdefault(container.name, []).append(container)
    status = inputs.pod.status
    known = {
        stored.name: stored.restart_count + 1
        for stored in (*status.init_container_statuses, *status.container_statuses)
        if stored.container_id
    }
    policy = pods.restart_policy(inputs.pod.spec)

    def view(spec: container_pb2.Container, init: bool) -> ContainerView:
        attempts = by_name.get(spec.name, [])
        latest = attempts[-1] if attempts else None
        previous = attempts[-2] if len(attempts) > 1 else None
        return ContainerView(
            spec, init, latest, previous, policy, known.get(spec.name, 0), inputs.now
        )

    spec = inputs.pod.spec
    return PodView(
        inputs,
        tuple(view(c, init=True) for c in spec.init_containers),
        tuple(view(c, init=False) for c in spec.containers),
    )
