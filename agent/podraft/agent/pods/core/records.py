"""The inputs and outputs of the pod core.

Invariant: an `Inputs` holds everything that a decision may depend on; two equal ones give the
same `Decision`. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from podraft.api.core.v1 import pod_pb2
from podraft.api.moments import Now


class ContainerPhase(Enum):
    """The phase of a container in its one life."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


class ProbeKind(Enum):
    """The kinds of probes of a running container."""

    STARTUP = "startup"
    READINESS = "readiness"
    LIVENESS = "liveness"


@dataclass(frozen=True, slots=True)
class ObservedContainer:
    """One attempt at running one container of a pod.

    ``backoff_s`` is how long the next attempt waits if this one crashes; it is kept in the
    container's labels, so that no restart of the agent forgives a crash loop.
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
    """Something that failed ``count`` times in a row, last at ``at_s``."""

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
    """Everything that is known of one pod now.

    ``address`` is None until the pod's network and volumes are prepared. ``images`` holds the
    images that were prepared (an id) or failed. ``probes`` holds the verdicts so far; a probe
    without one has not decided yet. ``in_flight`` names the actions that still run. Names that
    end in ``at_s`` or ``since_s`` are moments of the steady clock; the times in a container's
    record are of the wall clock.
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
        """The current moment of the steady clock, to which all moments here belong."""
        return self.now.steady_s


@dataclass(frozen=True, slots=True)
class PrepareSandbox:
    """Attach the pod's network and make its volumes."""

    @property
    def key(self) -> str:
        """The action's name while it runs."""
        return "sandbox"


@dataclass(frozen=True, slots=True)
class PrepareImage:
    """Ensure that the image of an attempt is here, as its pull policy demands."""

    container: str
    attempt: int

    @property
    def key(self) -> str:
        """The action's name while it runs."""
        return f"image/{self.container}"


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Create and start one attempt; an existing one is started, not duplicated."""

    container: str
    attempt: int
    backoff_s: float
    image_id: str

    @property
    def key(self) -> str:
        """The action's name while it runs."""
        return f"start/{self.container}"


@dataclass(frozen=True, slots=True)
class KillContainer:
    """Stop a container: its preStop hook, TERM, and KILL at the deadline.

    If the action is repeated while it runs, the deadline can only come nearer.
    """

    id: str
    container: str
    deadline_s: float
    reason: str

    @property
    def key(self) -> str:
        """The action's name while it runs."""
        return f"kill/{self.id}"


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Remove a container that has ended."""

    id: str

    @property
    def key(self) -> str:
        """The action's name while it runs."""
        return f"remove/{self.id}"


@dataclass(frozen=True, slots=True)
class ReleaseSandbox:
    """Release the pod's network, volumes and cgroups; no container runs any more."""

    @property
    def key(self) -> str:
        """The action's name while it runs."""
        return "release"


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete the pod from the API: nothing of it is left here."""

    @property
    def key(self) -> str:
        """The action's name while it runs."""
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
    """The actions to begin, the status to report, the probes to run, and the latest next look."""

    actions: tuple[Action, ...]
    status: pod_pb2.PodStatus
    probes: frozenset[ProbeKey] = frozenset()
    wake_at_s: float | None = None
