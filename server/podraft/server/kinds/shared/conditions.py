"""Conditions, times, counts and words of statuses: what nodes and controllers say of any object.

Owns: the types, ranges and sizes of what the statuses of many kinds have in common.

Invariant: what passes can be shown, added up and planned with; a machine that was broken
into can lie in its own status, but can neither bloat it nor make any reader stumble over it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from google.protobuf.message import Message

from podraft.api import names, times
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.conditions import FALSE, TRUE, UNKNOWN, Condition
from podraft.api.violations import shown
from podraft.server.kinds.report import Report

CONDITIONS_MAX: Final = 64
MESSAGE_MAX: Final = 32 * 1024
REASON_MAX: Final = 1024
# Names of images, runtimes, releases: what a machine says of itself in a word or two.
WORD_MAX: Final = 4096
_TYPE_MAX: Final = 316
_STATUSES: Final = (TRUE, FALSE, UNKNOWN)
_USUAL_TYPES: Final = frozenset(("PodScheduled", "Initialized", "ContainersReady", "Ready"))


def check_conditions(conditions: Sequence[Condition], report: Report, *, short: bool) -> None:
    """Check the conditions; ``short``: no text in them can be too long."""
    if not has_at_most(CONDITIONS_MAX, conditions, "status.conditions", report):
        return
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        type_ = condition.type
        is_usual = (
            short
            and type_ in _USUAL_TYPES
            and type_ not in seen
            and condition.status in _STATUSES
            and times.is_time(condition.last_transition_time)
        )
        if not is_usual:
            _check_condition(condition, f"status.conditions[{index}]", seen, report)
        seen.add(type_)


def _check_condition(condition: Condition, path: str, seen: set[str], report: Report) -> None:
    type_ = condition.type
    if not type_:
        report.required(f"{path}.type")
    elif len(type_) > _TYPE_MAX:
        check_length(type_, _TYPE_MAX, f"{path}.type", report)
    elif (problem := names.qualified(type_)) is not None:
        report.add(f"{path}.type", f"{shown(type_)} {problem}")
    elif type_ in seen:
        report.add(f"{path}.type", f"duplicate: {shown(type_)} is listed already")
    report.one_of(f"{path}.status", condition.status, _STATUSES)
    check_words(path, condition.reason, condition.message, report)
    check_time(condition.last_transition_time, f"{path}.lastTransitionTime", report)


def check_words(field: str, reason: str, message: str, report: Report) -> None:
    """Check that the reason and the message of a state are not too long."""
    if len(reason) > REASON_MAX:
        check_length(reason, REASON_MAX, f"{field}.reason", report)
    if len(message) > MESSAGE_MAX:
        check_length(message, MESSAGE_MAX, f"{field}.message", report)


def check_length(value: str, longest: int, field: str, report: Report) -> None:
    """Check that a text has at most ``longest`` characters."""
    if len(value) > longest:
        report.add(field, f"must be at most {longest} characters, is {len(value)}")


def check_time(time: meta_pb2.Time | meta_pb2.MicroTime, field: str, report: Report) -> None:
    """Check that a time, if there is one, is of a year that can be written."""
    if not times.is_time(time):
        report.add(field, "is no time between the years 1 and 9999")


def has_at_most(most: int, found: Collection[object], field: str, report: Report) -> bool:
    """Check that a list has at most ``most`` elements; return whether that is so."""
    if len(found) > most:
        report.add(field, f"must be at most {most}, are {len(found)}")
    return len(found) <= most


def check_counts(status: Message, report: Report) -> None:
    """Check that no count of a status is negative."""
    for described, value in status.ListFields():
        if isinstance(value, int):
            report.at_least(f"status.{described.json_name}", value, 0)
