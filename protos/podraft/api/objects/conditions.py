"""The conditions in an object's status: finding, testing and setting them.

Owns: when a condition holds, and when its transition time changes.

Invariant: ``lastTransitionTime`` changes exactly when the status does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from podraft.api.meta.v1 import meta_pb2

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

TRUE: Final = "True"
FALSE: Final = "False"
UNKNOWN: Final = "Unknown"


class Condition(Protocol):
    """A condition, by the fields that the conditions of all kinds share."""

    type: str
    status: str
    reason: str
    message: str

    @property
    def last_transition_time(self) -> meta_pb2.Time:
        """The time at which the status last changed."""


ConditionT = TypeVar("ConditionT", bound=Condition)


def find(conditions: Iterable[ConditionT], type_: str) -> ConditionT | None:
    """Return the condition of one type, or None if it is absent."""
    for found in conditions:
        if found.type == type_:
            return found
    return None


def is_true(conditions: Iterable[Condition], type_: str) -> bool:
    """Return whether a condition is present and true."""
    found = find(conditions, type_)
    return found is not None and found.status == TRUE


def transition_time(before: Condition | None, status: str, now: meta_pb2.Time) -> meta_pb2.Time:
    """Return when a condition got its present status; ``before`` is the stored condition."""
    if before is None or before.status != status or not before.last_transition_time.ByteSize():
        return now
    return before.last_transition_time


def set_condition(
    conditions: RepeatedCompositeFieldContainer[Any],
    type_: str,
    status: str,
    now: meta_pb2.Time,
    *,
    reason: str = "",
    message: str = "",
) -> bool:
    """Set one condition, adding it if need be; return whether that changed anything."""
    found = find(conditions, type_)
    if found is None:
        found = conditions.add(type=type_)
    elif (found.status, found.reason, found.message) == (status, reason, message):
        return False
    found.last_transition_time.CopyFrom(transition_time(found, status, now))
    found.status = status
    for field, text in (("reason", reason), ("message", message)):
        # An empty field is absent, not set to an empty text.
        if text:
            setattr(found, field, text)
        else:
            found.ClearField(field)
    return True
