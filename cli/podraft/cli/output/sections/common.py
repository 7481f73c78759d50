"""The beginning and end of every description: metadata, conditions, events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podraft.api.columns import ages
from podraft.api.columns.events import event_first_s, event_last_s
from podraft.api.events.v1 import event_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.owners import controller_of
from podraft.api.objects.well_known import APPLY_NOTES
from podraft.cli.output.sections.layout import Below, mapping, table
from podraft.cli.output.sections.templates import Pairs


def metadata(value: meta_pb2.ObjectMeta, *, namespaced: bool) -> Pairs:
    """Return the pairs that identify an object."""
    annotations = {key: text for key, text in value.annotations.items() if key not in APPLY_NOTES}
    pairs: Pairs = [("Name", value.name)]
    if namespaced:
        pairs.append(("Namespace", value.namespace))
    pairs += [
        ("Labels", mapping(value.labels)),
        ("Annotations", mapping(annotations, ": ")),
        ("CreationTimestamp", ages.full(value.creation_timestamp)),
    ]
    if is_deleting(value):
        grace = value.deletion_grace_period_seconds
        pairs.append(
            ("Terminating", f"since {ages.full(value.deletion_timestamp)}, grace {grace}s")
        )
    if value.finalizers:
        pairs.append(("Finalizers", list(value.finalizers)))
    controller = controller_of(value)
    if controller is not None:
        pairs.append(("Controlled By", f"{controller.kind}/{controller.name}"))
    return pairs


def conditions(values: Sequence[Any]) -> Below:
    """Return the table of an object's conditions."""
    rows = [[c.type, c.status, c.reason or "-", c.message] for c in values]
    return Below(table(["Type", "Status", "Reason", "Message"], rows) if rows else [])


def events(values: Sequence[event_pb2.Event], now_s: float) -> list[str]:
    """Return the lines that end a description: the events, the latest last."""
    if not values:
        return ["Events:  <none>"]
    rows = [
        [event.type, event.reason, _age(event, now_s), event.reporting_controller, event.note]
        for event in sorted(values, key=event_last_s)
    ]
    lines = table(["Type", "Reason", "Age", "From", "Message"], rows)
    return ["Events:", *(f"  {line}" for line in lines)]


def _age(event: event_pb2.Event, now_s: float) -> str:
    last = ages.human_duration(now_s - event_last_s(event))
    if event.series.count < 2:
        return last
    first = ages.human_duration(now_s - event_first_s(event))
    return f"{last} (x{event.series.count} over {first})"
