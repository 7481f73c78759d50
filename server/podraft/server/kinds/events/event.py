"""Events: what happened to which object, in a few bounded words."""

from __future__ import annotations

from typing import Final

from podraft.api.core.v1.reference_pb2 import ObjectReference
from podraft.api.events.v1.event_pb2 import Event
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import check_time

_TYPES: Final = ("Normal", "Warning")
NOTE_MAX: Final = 1024
WORD_MAX: Final = 128
REFERENCE_WORD_MAX: Final = 1024


def _default(event: Event) -> None:
    """Fill in the type, and the time: by default, an event happened when it was first written."""
    if not event.type:
        event.type = "Normal"
    if not event.event_time.HasField("seconds"):
        event.event_time.seconds = event.metadata.creation_timestamp.seconds


def _check(event: Event, report: Report) -> None:
    """Check an Event."""
    report.one_of("type", event.type, _TYPES)
    if not event.reason:
        report.required("reason")
    for field, value in (
        ("reason", event.reason),
        ("action", event.action),
        ("reportingController", event.reporting_controller),
        ("reportingInstance", event.reporting_instance),
    ):
        if len(value) > WORD_MAX:
            report.add(field, f"must be at most {WORD_MAX} characters, is {len(value)}")
    if len(event.note) > NOTE_MAX:
        report.add("note", f"must be at most {NOTE_MAX} characters, is {len(event.note)}")
    _check_reference(event.regarding, "regarding", report)
    _check_reference(event.related, "related", report)
    check_time(event.event_time, "eventTime", report)
    regarding = event.regarding.namespace
    if regarding and regarding != event.metadata.namespace:
        own = event.metadata.namespace
        report.add(
            "regarding.namespace",
            f"must be the event's own namespace, {own}, is {shown(regarding)}",
        )
    if event.HasField("series"):
        report.at_least("series.count", event.series.count, 2)
        check_time(event.series.last_observed_time, "series.lastObservedTime", report)


def _check_reference(reference: ObjectReference, field: str, report: Report) -> None:
    for described, value in reference.ListFields():
        if len(value) > REFERENCE_WORD_MAX:
            path = f"{field}.{described.json_name}"
            report.add(path, f"must be at most {REFERENCE_WORD_MAX} characters, is {len(value)}")


RULES: Final[Rules[Event]] = Rules(default=_default, check=_check, metered=True)
