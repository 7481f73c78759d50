"""The decisions about finished pods: they are kept, but not without bound.

Owns: removing the oldest finished pods beyond a number.
"""

from __future__ import annotations

from podraft.api.kinds import POD
from podraft.api.moments import Now
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_finished
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.plan import Plan, Snapshot

# All finished pods have one key.
KEY = "pods"
WRITES_MAX = 500


def plan(snapshot: Snapshot, key: str, now: Now, keep: int) -> Plan:
    """Remove the oldest finished pods beyond ``keep``."""
    finished = [
        pod for pod in snapshot.list(POD) if is_finished(pod) and not is_deleting(pod.metadata)
    ]
    excess = min(len(finished) - keep, WRITES_MAX)
    if excess <= 0:
        return Plan()
    return Plan(
        tuple(
            writes.delete(POD, pod.metadata.name, pod.metadata.namespace, uid=pod.metadata.uid)
            for pod in objects.oldest_first(finished)[:excess]
        )
    )
