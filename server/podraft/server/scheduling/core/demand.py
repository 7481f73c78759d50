"""The demands of a pod on a node, read from its spec.

Owns: the profile that pods of one template share, and the amounts of a pod in
scores.  Invariant: equal specs give profiles with equal constraints, so a result
computed for a profile holds for all its pods.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from podraft.api.core.v1.container_pb2 import Container
from podraft.api.core.v1.pod_pb2 import Pod, PodSpec, Toleration
from podraft.api.objects import amounts
from podraft.api.objects.amounts import CPU, MEMORY, PODS
from podraft.api.objects.owners import controller_of

# The amounts of a pod without requests when nodes are scored (never when they are filtered):
# without them all such pods would look free and pile up on one node.
_CPU_SCORED_DEFAULT: Final = 100
_MEMORY_SCORED_DEFAULT: Final = 200 << 20
_PROFILES_MAX: Final = 4096
# No machine has so much; with this bound no sum of the table's 64-bit integers overflows.
AMOUNT_MAX: Final = 1 << 52


@dataclass(frozen=True, slots=True)
class Demand:
    """Requests by resource (CPU in thousandths), and the amounts that count in scores."""

    requests: tuple[tuple[str, int], ...]
    cpu_scored: int
    memory_scored: int


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """The parts of a pod's spec on which its node and its turn depend; compared by identity."""

    demand: Demand
    node_selector: tuple[tuple[str, str], ...]
    tolerations: tuple[Toleration, ...]
    priority: int = 0


@dataclass(frozen=True, slots=True)
class PendingPod:
    """A pod that waits for a node; ``owner`` is its controller's key, if it has one."""

    namespace: str
    name: str
    uid: str
    owner: str
    profile: Profile


class Profiles:
    """The profiles of specs; pods of one template share one.

    Bounded: the profile that was made first is forgotten first.
    """

    def __init__(self) -> None:
        self._by_spec: dict[bytes, Profile] = {}

    def pending(self, pod: Pod) -> PendingPod:
        """Return ``pod`` in the form that the core takes.

        Raises:
            InvalidQuantityError: A request is no quantity.

        """
        metadata = pod.metadata
        return PendingPod(
            metadata.namespace,
            metadata.name,
            metadata.uid,
            controller_key(pod),
            self.profile(pod.spec),
        )

    def profile(self, spec: PodSpec) -> Profile:
        """Return the profile of ``spec``; raises as `pending` does."""
        key = spec.SerializeToString(deterministic=True)
        found = self._by_spec.get(key)
        if found is None:
            if len(self._by_spec) >= _PROFILES_MAX:
                self._by_spec.pop(next(iter(self._by_spec)))
            found = self._by_spec[key] = make_profile(spec)
        return found


def make_profile(spec: PodSpec) -> Profile:
    """Return a new profile of ``spec``; raises as `demand_of` does."""
    return Profile(
        demand_of(spec),
        tuple(sorted(spec.node_selector.items())),
        tuple(spec.tolerations),
        spec.priority,
    )


def controller_key(pod: Pod) -> str:
    """Return the key of the owner that controls ``pod``; empty if none does."""
    owner = controller_of(pod.metadata)
    if owner is None:
        return ""
    return "\n".join((pod.metadata.namespace, owner.api_version, owner.kind, owner.name, owner.uid))


def demand_of(spec: PodSpec) -> Demand:
    """Return the requests of a pod, and the amounts that count in scores.

    Raises:
        InvalidQuantityError: A request is no quantity.

    """
    requested = amounts.pod_requests(spec)
    cpu_scored = _sum_scored(spec.containers, CPU, _CPU_SCORED_DEFAULT)
    memory_scored = _sum_scored(spec.containers, MEMORY, _MEMORY_SCORED_DEFAULT)
    requests = (
        (name, min(amount, AMOUNT_MAX)) for name, amount in sorted(requested.items()) if amount > 0
    )
    return Demand(
        ((PODS, 1), *requests),
        min(max(cpu_scored, requested.get(CPU, 0)), AMOUNT_MAX),
        min(max(memory_scored, requested.get(MEMORY, 0)), AMOUNT_MAX),
    )


def amount_of(resource: str, text: str) -> int:
    """Return a quantity as the integer that the table counts ``resource`` in."""
    return min(amounts.amount_of(resource, text or "0"), AMOUNT_MAX)


def _sum_scored(containers: Iterable[Container], resource: str, default: int) -> int:
    total = 0
    for container in containers:
        requests = container.resources.requests
        # Reading an absent key of a message map would add it; objects are shared, never changed.
        total += amount_of(resource, requests[resource].string) if resource in requests else default
    return total
