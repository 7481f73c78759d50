"""The decisions about Events: they are kept for some time, then removed.

Owns: removing Events that were last observed too long ago.
"""

from __future__ import annotations

from podraft.api import times
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.kinds import EVENT
from podraft.api.moments import Now
from podraft.client.calls import writes
from podraft.server.controllers.core.plan import Plan, Snapshot

# All events have one key.
KEY = "events"
WRITES_MAX = 500
# Expired events are removed in batches rather than one by one.
_BATCH_S = 30.0
# Another machine's clock may be ahead of this one by so much.
_SKEW_S = 300.0


def plan(snapshot: Snapshot, key: str, now: Now, ttl_s: float) -> Plan:
    """Remove the events that are older than ``ttl_s``; plan again when the next one is."""
    planned: list[commit_pb2.Write] = []
    soonest: float | None = None
    for event in snapshot.list(EVENT):
        left_s = ttl_s - unheard_of_for_s(event, now)
        if left_s > 0:
            soonest = left_s if soonest is None else min(soonest, left_s)
        elif len(planned) < WRITES_MAX:
            metadata = event.metadata
            planned.append(
                writes.delete(EVENT, metadata.name, metadata.namespace, uid=metadata.uid)
            )
    if len(planned) == WRITES_MAX:
        return Plan(tuple(planned), requeue_after_s=0.1)
    again_s = None if soonest is None else max(soonest, _BATCH_S)
    return Plan(tuple(planned), requeue_after_s=again_s)


def unheard_of_for_s(event: event_pb2.Event, now: Now) -> float:
    """Return the seconds since the event, or the last one of its series, happened.

    Its writer's times are believed up to ``now`` and a little more: otherwise the writer could
    make an event stay for ever.
    """
    said = (event.series.last_observed_time, event.event_time)
    believed = (s for time in said if (s := times.seconds_of(time)) <= now.wall_s + _SKEW_S)
    created_s = times.seconds_of(event.metadata.creation_timestamp)
    return min(map(now.age_s, (created_s, *believed)))
