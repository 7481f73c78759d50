"""Deletion: removed at once, or marked and removed when nothing holds it any more.

Owns: grace periods of pods, finalizers, propagation to dependents, and the
two-step deletion of namespaces.

Invariant: an object that is marked stays until its finalizers are gone; a pod
also until its node has said that its containers are stopped, by deleting it with
a grace period of 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeAlias, TypeVar, cast

from google.protobuf.message import Message

from podraft.api import kinds, times
from podraft.api.core.v1 import namespace_pb2, pod_pb2
from podraft.api.kinds import Kind, Object
from podraft.api.meta.v1 import meta_pb2, requests_pb2
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds.metadata import (
    FOREGROUND_FINALIZER,
    ORPHAN_FINALIZER,
    next_generation,
)

ObjectT = TypeVar("ObjectT", bound=Message)

DEFAULT_GRACE_S = 30
MAX_GRACE_S = 10 * 365 * 86_400

# Who names no namespace means the first; nodes and the cluster itself live in the others.
PROTECTED_NAMESPACES = frozenset(("default", "kube-system", "kube-node-lease", "podraft-system"))


@dataclass(frozen=True, slots=True)
class Remove:
    """Nothing holds the object: it goes now."""


@dataclass(frozen=True, slots=True)
class MarkDeleting(Generic[ObjectT]):
    """The object stays for now, as ``object``; equal to the stored one if nothing is new."""

    object: ObjectT


Deletion: TypeAlias = Remove | MarkDeleting[ObjectT]


def prepare_delete(
    kind: Kind[ObjectT],
    stored: ObjectT,
    options: requests_pb2.DeleteOptions,
    *,
    now: datetime,
) -> Deletion[ObjectT]:
    """Return what deleting ``stored`` does; preconditions are the caller's.

    A second deletion can shorten a grace period, never lengthen it.

    Raises:
        InvalidObjectError: The grace period is out of range, or the object is one that
            must always exist.
    """
    requested = options.grace_period_seconds
    if not 0 <= requested <= MAX_GRACE_S:
        raise InvalidObjectError.of(
            "options.gracePeriodSeconds", f"must be 0 to {MAX_GRACE_S}, is {requested}"
        )
    result = kind.message()
    result.CopyFrom(stored)
    metadata = cast("Object", result).metadata
    if kind is kinds.NAMESPACE and metadata.name in PROTECTED_NAMESPACES:
        raise InvalidObjectError.of(
            "metadata.name", f"the namespace {metadata.name} cannot be deleted"
        )
    _propagate(metadata, options.propagation_policy)
    marked = metadata.HasField("deletion_timestamp")
    grace_s = _grace_s(result, options, marked)
    if grace_s == 0 and not _is_held(result):
        return Remove()
    if not marked:
        # A namespace's own phase tells why nothing can be created in it any more.
        if isinstance(result, namespace_pb2.Namespace):
            result.status.phase = "Terminating"
        if metadata.generation:
            metadata.generation = next_generation(metadata.generation)
        _set_deadline(metadata, now, grace_s)
    elif grace_s < metadata.deletion_grace_period_seconds:
        # The shorter period runs from when the deletion was first asked for.
        _set_deadline(metadata, _asked_at(metadata, now), grace_s)
    return MarkDeleting(result)


def is_gone(kind: Kind[ObjectT], stored: ObjectT) -> bool:
    """Say whether an object that is being deleted must be removed, as nothing holds it now."""
    metadata = cast("Object", stored).metadata
    if not metadata.HasField("deletion_timestamp") or _is_held(stored):
        return False
    return kind is not kinds.POD or metadata.deletion_grace_period_seconds == 0


def _is_held(stored: Message) -> bool:
    if cast("Object", stored).metadata.finalizers:
        return True
    return isinstance(stored, namespace_pb2.Namespace) and bool(stored.spec.finalizers)


def _propagate(metadata: meta_pb2.ObjectMeta, policy: requests_pb2.PropagationPolicy) -> None:
    """Write the propagation policy as finalizers, which the garbage collector obeys."""
    match policy:
        case requests_pb2.PROPAGATION_POLICY_FOREGROUND:
            wanted = FOREGROUND_FINALIZER
        case requests_pb2.PROPAGATION_POLICY_ORPHAN:
            wanted = ORPHAN_FINALIZER
        case requests_pb2.PROPAGATION_POLICY_BACKGROUND:
            wanted = ""
        case _:
            return  # Unspecified: background, unless the object's own finalizers say otherwise.
    policies = (FOREGROUND_FINALIZER, ORPHAN_FINALIZER)
    kept = [f for f in metadata.finalizers if f not in policies or f == wanted]
    if wanted and wanted not in kept:
        kept.append(wanted)
    if kept != list(metadata.finalizers):
        metadata.ClearField("finalizers")
        metadata.finalizers.extend(kept)


def _grace_s(stored: Message, options: requests_pb2.DeleteOptions, marked: bool) -> int:
    """Return how long the object may take to go; only a pod that may run has something to stop."""
    if not isinstance(stored, pod_pb2.Pod):
        return 0
    if not stored.spec.node_name or stored.status.phase in ("Succeeded", "Failed"):
        return 0
    if options.HasField("grace_period_seconds"):
        return options.grace_period_seconds
    if marked:
        return stored.metadata.deletion_grace_period_seconds
    if stored.spec.HasField("termination_grace_period_seconds"):
        return min(max(stored.spec.termination_grace_period_seconds, 0), MAX_GRACE_S)
    return DEFAULT_GRACE_S


def _asked_at(metadata: meta_pb2.ObjectMeta, now: datetime) -> datetime:
    """Return when the deletion was first asked for: now at the latest, whatever is stored."""
    try:
        grace = timedelta(seconds=metadata.deletion_grace_period_seconds)
        return min(times.datetime_of(metadata.deletion_timestamp) - grace, now)
    except OverflowError:
        return now


def _set_deadline(metadata: meta_pb2.ObjectMeta, start: datetime, grace_s: int) -> None:
    metadata.deletion_timestamp.CopyFrom(times.time_of(start + timedelta(seconds=grace_s)))
    metadata.deletion_grace_period_seconds = grace_s
