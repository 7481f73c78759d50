"""Deletion: an object is removed at once, or marked and removed when nothing holds it any more.

Owns: grace periods, finalizers and propagation to dependents.  The room of a kind adds its own
rules (a pod's grace period, a namespace's emptying).

Invariant: a marked object stays until nothing holds it; one that takes its time to go
(a pod), also until it is deleted again with a grace period of 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeAlias, cast

from podraft.api import times
from podraft.api.kinds import Kind, Object
from podraft.api.meta.v1 import meta_pb2, requests_pb2
from podraft.api.objects.deletion import GRACE_S_MAX, is_deleting
from podraft.api.objects.well_known import FOREGROUND_FINALIZER, ORPHAN_FINALIZER
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds.hooks import ObjectT
from podraft.server.kinds.metadata import next_generation
from podraft.server.kinds.report import Report
from podraft.server.kinds.rooms import rules_of
from podraft.server.kinds.rules import Rules


@dataclass(frozen=True, slots=True)
class Remove:
    """The decision that an object which nothing holds is removed now."""


@dataclass(frozen=True, slots=True)
class MarkDeleting(Generic[ObjectT]):
    """The decision to keep the object, as ``object``; equal to the stored one if nothing is new."""

    object: ObjectT


Deletion: TypeAlias = Remove | MarkDeleting[ObjectT]


def prepare_delete(
    kind: Kind[ObjectT],
    stored: ObjectT,
    options: requests_pb2.DeleteOptions,
    *,
    now: datetime,
) -> Deletion[ObjectT]:
    """Return the effect of deleting ``stored``; preconditions are the caller's to check.

    A second deletion can shorten a grace period, never lengthen it.

    Raises:
        InvalidObjectError: The grace period is out of range, or the object is one that
            must always exist.
    """
    requested = options.grace_period_seconds
    if not 0 <= requested <= GRACE_S_MAX:
        raise InvalidObjectError.of(
            "options.gracePeriodSeconds", f"must be 0 to {GRACE_S_MAX}, is {requested}"
        )
    rules, report = rules_of(kind), Report()
    rules.check_delete(stored, report)
    report.raise_if_any()
    result = kind.message()
    result.CopyFrom(stored)
    metadata = cast("Object", result).metadata
    _propagate(metadata, options.propagation_policy)
    marked = is_deleting(metadata)
    grace_s = 0 if rules.grace_s is None else rules.grace_s(result, options, marked)
    if grace_s == 0 and not _is_held(rules, result):
        return Remove()
    if not marked:
        rules.mark(result)
        if metadata.generation:
            metadata.generation = next_generation(metadata.generation)
        _set_deadline(metadata, now, grace_s)
    elif grace_s < metadata.deletion_grace_period_seconds:
        # The shorter period runs from when the deletion was first asked for.
        _set_deadline(metadata, _asked_at(metadata, now), grace_s)
    return MarkDeleting(result)


def is_gone(kind: Kind[ObjectT], stored: ObjectT) -> bool:
    """Return whether an object that is being deleted must be removed now: nothing holds it."""
    metadata, rules = cast("Object", stored).metadata, rules_of(kind)
    if not is_deleting(metadata) or _is_held(rules, stored):
        return False
    return rules.grace_s is None or metadata.deletion_grace_period_seconds == 0


def _is_held(rules: Rules[ObjectT], stored: ObjectT) -> bool:
    return bool(cast("Object", stored).metadata.finalizers) or rules.is_held(stored)


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


def _asked_at(metadata: meta_pb2.ObjectMeta, now: datetime) -> datetime:
    """Return when the deletion was first requested: now at the latest, whatever is stored."""
    try:
        grace = timedelta(seconds=metadata.deletion_grace_period_seconds)
        return min(times.datetime_of(metadata.deletion_timestamp) - grace, now)
    except OverflowError:
        return now


def _set_deadline(metadata: meta_pb2.ObjectMeta, start: datetime, grace_s: int) -> None:
    metadata.deletion_timestamp.CopyFrom(times.time_of(start + timedelta(seconds=grace_s)))
    metadata.deletion_grace_period_seconds = grace_s
