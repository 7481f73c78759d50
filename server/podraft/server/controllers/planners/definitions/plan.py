"""The decisions about declared kinds: a deleted definition goes when its kind has no object.

Owns: deleting the objects, then the finalizer that keeps the definition.

Invariant: the finalizer is removed only when no object is left: otherwise objects of a later kind
of the same name would begin with what an earlier one left.
"""

from __future__ import annotations

from typing import Final

from podraft.api.kinds import CUSTOM_RESOURCE_DEFINITION
from podraft.api.moments import Now
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.well_known import CLEANUP_FINALIZER
from podraft.client.calls import writes
from podraft.server.controllers.core.plan import Absent, ObjectKey, Plan, Snapshot

DELETIONS_MAX: Final = 500
# The seconds between two looks at objects that wait for something.
_AGAIN_S: Final = 5.0


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Return the next step of a definition towards its requested end."""
    definition = snapshot.get(CUSTOM_RESOURCE_DEFINITION, key.name)
    if definition is None or not is_deleting(definition.metadata):
        return Plan()
    metadata = definition.metadata
    kind = snapshot.known.by_group_resource(key.name)
    if CLEANUP_FINALIZER not in metadata.finalizers:
        return Plan()
    if kind is None or "create" in kind.verbs:
        return Plan(requeue_after_s=_AGAIN_S)  # This process does not know of the end yet.
    left = snapshot.list(kind)
    if left:
        deletions = [
            writes.delete(kind, obj.metadata.name, obj.metadata.namespace, uid=obj.metadata.uid)
            for obj in left
            if not is_deleting(obj.metadata)
        ]
        return Plan(tuple(deletions[:DELETIONS_MAX]), requeue_after_s=_AGAIN_S)
    kept = [name for name in metadata.finalizers if name != CLEANUP_FINALIZER]
    end = writes.patch(
        CUSTOM_RESOURCE_DEFINITION,
        metadata.name,
        {"metadata": {"finalizers": kept}},
        uid=metadata.uid,
        resource_version=metadata.resource_version,
    )
    return Plan((end,), requeue_after_s=_AGAIN_S, absent=(Absent(kind, "", ""),))
