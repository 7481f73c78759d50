"""Small pure questions about objects that several planners ask.

Owns: times, selectors, the order of age, and when a ready pod becomes available.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message

from podraft.api import times
from podraft.api.core.v1 import pod_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.moments import Now
from podraft.api.objects.pods import is_ready, ready_condition
from podraft.api.selectors.labels import NOTHING, LabelSelector, exact_selector, label_selector_of
from podraft.api.violations import InvalidObjectError

if TYPE_CHECKING:
    pass

MessageT = TypeVar("MessageT", bound=Message)


def copied(message: MessageT) -> MessageT:
    """Return a copy that may be changed."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def time_of(now: Now) -> meta_pb2.Time:
    """Return a time in whole seconds, as JSON can carry it."""
    return times.time_at(now.wall_s)


def selector_of(selector: meta_pb2.LabelSelector | Mapping[str, str]) -> LabelSelector:
    """Return a workload's compiled selector, also if it is only labels.

    An invalid one, or no labels, selects nothing: only an object that was stored before the rules
    can have that.
    """
    if not isinstance(selector, meta_pb2.LabelSelector):
        return exact_selector(selector)
    try:
        return label_selector_of(selector)
    except InvalidObjectError:
        return NOTHING


def available_in_s(pod: pod_pb2.Pod, min_ready_s: int, now: Now) -> float | None:
    """Return the seconds until a pod will have been ready for long enough.

    0: it is available; None: it is not even ready.
    """
    found = ready_condition(pod)
    if found is None or not is_ready(pod):
        return None
    if not min_ready_s:
        return 0.0
    return max(0.0, min_ready_s - now.age_s(times.seconds_of(found.last_transition_time)))


def oldest_first(objects: Sequence[MessageT]) -> list[MessageT]:
    """Sort by creation, then name."""
    return sorted(objects, key=_age)


def _age(obj: Message) -> tuple[int, int, str]:
    metadata: meta_pb2.ObjectMeta = obj.metadata  # type: ignore[attr-defined]  # every stored object has it
    created = metadata.creation_timestamp
    return created.seconds, created.nanos, metadata.name


def describe(obj: Message) -> str:
    """Return ``kind namespace/name`` for messages."""
    metadata: meta_pb2.ObjectMeta = obj.metadata  # type: ignore[attr-defined]  # every stored object has it
    place = f"{metadata.namespace}/" if metadata.namespace else ""
    return f"{obj.DESCRIPTOR.name} {place}{metadata.name}"
