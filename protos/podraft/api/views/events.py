"""The core group's Event, which is stored as that of ``events.k8s.io``.

Invariant: no field is lost, in either direction.
"""

from __future__ import annotations

from typing import Any, Final

from podraft.api.core.v1 import event_pb2 as core
from podraft.api.events.v1 import event_pb2 as events
from podraft.api.kinds import EVENT, Kind, Order
from podraft.api.views.view import View

# The fields that differ by name only: first the core group's name.
_RENAMED: Final = (
    ("metadata", "metadata"),
    ("involved_object", "regarding"),
    ("related", "related"),
    ("reason", "reason"),
    ("message", "note"),
    ("type", "type"),
    ("action", "action"),
    ("reporting_component", "reporting_controller"),
    ("reporting_instance", "reporting_instance"),
    ("event_time", "event_time"),
    ("source", "deprecated_source"),
    ("first_timestamp", "deprecated_first_timestamp"),
    ("last_timestamp", "deprecated_last_timestamp"),
    ("count", "deprecated_count"),
)

_REFERENCED: Final = ("kind", "name", "namespace", "uid")


def shown(event: events.Event) -> core.Event:
    """Return an event in the form of the core group."""
    result = core.Event()
    _copy(event, result, [(new, old) for old, new in _RENAMED])
    return result


def stored(event: core.Event) -> events.Event:
    """Return an event in the form of ``events.k8s.io``."""
    result = events.Event()
    _copy(event, result, _RENAMED)
    return result


def _copy(source: Any, target: Any, names: Any) -> None:
    for old, new in names:
        _copy_field(source, old, target, new)
    if source.HasField("series"):
        target.series.SetInParent()
        for name in ("count", "last_observed_time"):
            _copy_field(source.series, name, target.series, name)


def _copy_field(source: Any, old: str, target: Any, new: str) -> None:
    if not source.HasField(old):
        return
    value = getattr(source, old)
    if isinstance(value, str | int):
        setattr(target, new, value)
    else:
        getattr(target, new).CopyFrom(value)


CORE_EVENT: Final = View(
    kind=Kind(
        message=core.Event,
        api_version="v1",
        resource="events",
        short_names=("ev",),
        order=Order.RECORDS,
        verbs=("create", "get", "list", "watch", "update", "delete"),
        selectable_fields=(
            "metadata.name",
            "metadata.namespace",
            *(f"involvedObject.{name}" for name in _REFERENCED),
            "reason",
            "type",
        ),
    ),
    of=EVENT,
    shown=shown,
    stored=stored,
    fields={f"involvedObject.{name}": f"regarding.{name}" for name in _REFERENCED},
)
