"""The number of pods that a budget's applications should have, by what makes them.

Owns: the way from a pod to the object whose number of replicas counts: the uppermost of its
controllers that has such a number.

Invariant: an owner counts once, however many of its pods the budget covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.kinds import POD, AnyKind
from podraft.api.meta.v1.meta_pb2 import IntOrString
from podraft.api.objects import owners
from podraft.api.scales import wanted_replicas
from podraft.server.controllers.core.plan import Snapshot

# A pod, its ReplicaSet, its Deployment, and what may have made that.
_STEPS_MAX: Final = 4
# Longer ones are from before the rules.
_DIGITS_MAX: Final = 10
# What the fields of a status hold.
_COUNT_MAX: Final = 2**31 - 1


class UncountableError(Exception):
    """The number of pods that there should be cannot be found out; the text says why."""


def share(value: IntOrString, total: int) -> int:
    """Return a count, or a percentage of ``total`` rounded up.

    Raises:
        UncountableError: It is neither.
    """
    if value.type == 0:
        return max(0, value.int_val)
    digits = value.str_val.removesuffix("%")
    if not (digits.isascii() and digits.isdigit() and len(digits) < _DIGITS_MAX):
        raise UncountableError(f"{value.str_val[:_DIGITS_MAX]!r} is no number and no percentage")
    return min(-(-total * int(digits) // 100), _COUNT_MAX)


def expected_pods(snapshot: Snapshot, pods: Sequence[Pod]) -> int:
    """Return the sum of the replicas that the owners of ``pods`` want; pods without one: none.

    Raises:
        UncountableError: An owner is unknown, or has no number of replicas.
    """
    wanted: dict[str, int] = {}
    for pod in pods:
        found = _scaled_owner(snapshot, pod)
        if found is not None:
            kind, owner = found
            wanted[owners.key_of(kind, owner).text] = wanted_replicas(kind, owner)
    return min(max(0, sum(wanted.values())), _COUNT_MAX)


def _scaled_owner(snapshot: Snapshot, pod: Pod) -> tuple[AnyKind, Any] | None:
    """Return the uppermost controller with a scale; None for a pod that nothing manages."""
    if owners.controller_of(pod.metadata) is None:
        return None
    kind: AnyKind = POD
    found, obj = None, pod
    for _ in range(_STEPS_MAX):
        above = _controller(snapshot, kind, obj)
        if above is None:
            break
        kind, obj = above
        if kind.scale is not None:
            found = above
    if found is None:
        reference = owners.controller_of(pod.metadata)
        name = f"{reference.kind} {reference.name}" if reference is not None else ""
        raise UncountableError(
            f"pod {pod.metadata.name} belongs to {name}, which does not exist or has no number of "
            "replicas: use minAvailable with a number"
        )
    return found


def _controller(snapshot: Snapshot, kind: AnyKind, obj: Any) -> tuple[AnyKind, Any] | None:
    """Return the living controller of an object with its kind; None if there is none."""
    metadata = obj.metadata
    reference = owners.controller_of(metadata)
    if reference is None:
        return None
    key = owners.named_key(kind, metadata.namespace, reference, snapshot.known)
    above = snapshot.known.by_manifest(reference.api_version, reference.kind)
    if key is None or above is None:
        return None
    owner = snapshot.get(above, key.name, key.namespace)
    if owner is None or owner.metadata.uid != key.uid:
        return None
    return above, owner
