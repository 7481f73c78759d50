"""The triggers of the garbage collector."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from podraft.api.kinds import AnyKind, KnownKinds
from podraft.api.objects import owners, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.owners import OwnerKey
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.indexes import BY_OWNER
from podraft.server.controllers.core.plan import Snapshot
from podraft.server.controllers.planners.garbage.plan import plan, wants_attention


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[OwnerKey]:
    """Return the controller, whose keys are owners."""
    triggers = {kind: partial(_owner_keys, kind) for kind in known}
    return Controller("garbage", plan, triggers, workers=4)


def _owner_keys(kind: AnyKind, snapshot: Snapshot, old: Any, new: Any) -> Iterator[OwnerKey]:
    """Yield owners that vanish or wait, and missing owners that an object names."""
    current = new if new is not None else old
    metadata = current.metadata
    own = owners.key_of(kind, current)
    if new is None:
        if any(snapshot.by_index(other, BY_OWNER, own.text) for other in snapshot.known):
            yield own
    elif is_deleting(metadata) and (
        well_known.FOREGROUND_FINALIZER in metadata.finalizers
        or well_known.ORPHAN_FINALIZER in metadata.finalizers
    ):
        yield own
    named = set(owners.named_keys(kind, metadata, snapshot.known))
    if old is not None and new is not None:
        # An owner that the object no longer names may have waited for it.
        named.update(owners.named_keys(kind, old.metadata, snapshot.known))
    for owner_key in named:
        if wants_attention(snapshot, owner_key):
            yield owner_key
