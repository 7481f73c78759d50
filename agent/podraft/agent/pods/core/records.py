"""The inputs and outputs of the pod core.

Invariant: an `Inputs` holds all that a decision may depend on; two equal ones
give the same `Decision`.  Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from podraft.api.core.v1 import pod_pb2
from podraft.api.moments import Now


class ContainerPhase(Enum):
    """Where a container is in its one life."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


class ProbeKind(Enum):
    """The three questions that are asked of a running container."""

    STARTUP = "startup"
    READINESS = "readiness"
    LIVENESS = "liveness"


@dataclass(frozen=True, slots=True)
class ObservedContainer:
    """One attempt at running one container of a pod.

    ``backoff_s`` is how long the next attempt waits if this one crashes; it is
    kept in the container's labels, so that no restart of the agent forgives a crash loop.
    """

    id: str
    name: str
    attempt: int
    phase: ContainerPhase
    image: str = ""
    image_id: str = ""
    backoff_s: float = 0.0
    started_s: float = 0.0
    finished_s: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that was tried and failed ``count`` times in a row, last at ``at_s``."""

    reason: str
    message: str
    at_s: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class ProbeKey:
    """One probe of one attempt."""

    container_id: str
    kind: ProbeKind


@dataclass(frozen=True, slots=True)
class ImageKey:
    """The image that one attempt is to start from."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that is known of one pod now.

    ``address`` is nothing until the pod's network and volumes are prepared.
    ``images`` holds what was prepared (an id) or failed.  ``probes`` holds the
    verdicts so far; a probe without one has not decided yet.  ``in_flight``
    names the actions that still run.  What is called ``…at_s`` and ``…since_s`` is a moment
    of the steady clock; what a container's record says is a stamp of the wall's.
    """

    pod: pod_pb2.Pod
    now: Now
    node_ip: str
    containers: tuple[ObservedContainer, ...] = ()
    address: str | None = None
    sandbox_failure: Failure | None = None
    images: Mapping[ImageKey, str | Failure] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    probes: Mapping[ProbeKey, bool] = field(default_factory=dict)
    terminating_since_s: float | None = None
    in_flight: frozenset[str] = frozenset()
    sandbox_released: bool = False

    @property
    def now_s(self) -> float:
        """The moment, by the steady clock: what all moments here are of."""
        return self.now.steady_s


@dataclass(frozen=True, slots=True)
class PrepareSandbox:
    """Attach the pod's network and make its volumes."""

    @property
    def key(self) -> str:
        """Names the action while it runs."""
        return "sandbox"


@dataclass(frozen=True, slots=True)
class PrepareImage:
    """See that the image of an attempt is here, as its pull policy says."""

    container: str
    attempt: int

    @property
    def key(self) -> str:
        """Names the action while it runs."""
        return f"image/{self.container}"


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Create and start one attempt; one that exists already is started, not doubled."""

    container: str
    attempt: int
    backoff_s: float
    image_id: str

    @property
    def key(self) -> str:
        """Names the action while it runs."""
        return f"start/{self.container}"


@dataclass(frozen=True, slots=True)
class KillContainer:
    """Stop a container: its preStop hook, TERM, and KILL at the deadline.

    Asked again while it runs, it can only come earlier.
    """

    id: str
    container: str
    deadline_s: float
    reason: str

    @property
    def key(self) -> str:
        """Names the action while it runs."""
        return f"kill/{self.id}"


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Remove a container that has ended."""

    id: str

    @property
    def key(self) -> str:
        """Names the action while it runs."""
        return f"remove/{self.id}"


@dataclass(frozen=True, slots=True)
class ReleaseSandbox:
    """Give back the pod's network, volumes and cgroups; no container runs any more."""

    @property
    def key(self) -> str:
        """Names the action while it runs."""
        return "release"


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Nothing of the pod is left here: let the API forget it."""

    @property
    def key(self) -> str:
        """Names the action while it runs."""
        return "delete"


Action: TypeAlias = (
    PrepareSandbox
    | PrepareImage
    | StartContainer
    | KillContainer
    | RemoveContainer
    | ReleaseSandbox
    | DeletePod
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, what to tell, which probes to run and when to look again at the latest."""

    actions: tuple[Action, ...]
    status: pod_pb2.PodStatus
    probes: frozenset[ProbeKey] = frozenset()
    wake_at_s: float | None = None
