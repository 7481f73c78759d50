"""The tables of the group ``events.k8s.io``: what happened, the latest last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from podraft.api import kinds, times
from podraft.api.columns import ages
from podraft.api.columns.column import NAME, Column, Table
from podraft.api.events.v1 import event_pb2


def event_last_s(event: event_pb2.Event) -> float:
    """Return when an event was last seen, in seconds since the epoch."""
    last = times.seconds_of(event.series.last_observed_time)
    return (
        last
        or times.seconds_of(event.event_time)
        or times.seconds_of(event.metadata.creation_timestamp)
    )


def event_first_s(event: event_pb2.Event) -> float:
    """Return when an event was first seen, in seconds since the epoch."""
    return times.seconds_of(event.event_time) or times.seconds_of(event.metadata.creation_timestamp)


def _since(then_s: float, now_s: float) -> str:
    return ages.human_duration(now_s - then_s) if then_s else ages.UNKNOWN


def _regarding(event: event_pb2.Event, now_s: float) -> str:
    return f"{event.regarding.kind.lower()}/{event.regarding.name}"


_EVENT = (
    Column("LAST SEEN", lambda event, now_s: _since(event_last_s(event), now_s)),
    Column("TYPE", lambda event, now_s: event.type, is_status=True),
    Column("REASON", lambda event, now_s: event.reason),
    Column("OBJECT", _regarding),
    Column("SUBOBJECT", lambda event, now_s: event.regarding.field_path, wide=True),
    Column("SOURCE", lambda event, now_s: event.reporting_controller, wide=True),
    Column("MESSAGE", lambda event, now_s: event.note.strip()),
    Column("FIRST SEEN", lambda event, now_s: _since(event_first_s(event), now_s), wide=True),
    Column("COUNT", lambda event, now_s: str(max(event.series.count, 1)), wide=True),
    replace(NAME, wide=True),
)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {kinds.EVENT: Table(_EVENT, order=event_last_s)}
