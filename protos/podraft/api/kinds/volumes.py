"""The kinds of volumes that outlive pods, and of the claims to them.

Owns: their entries.
"""

from __future__ import annotations

from typing import Final

from podraft.api.core.v1 import persistent_volume_claim_pb2, persistent_volume_pb2
from podraft.api.kinds.kind import AnyKind, Kind, Order

PERSISTENT_VOLUME = Kind(
    message=persistent_volume_pb2.PersistentVolume,
    api_version="v1",
    resource="persistentvolumes",
    short_names=("pv",),
    namespaced=False,
    order=Order.CONFIG,
    subresources=("status",),
    selectable_fields=("metadata.name",),
)
PERSISTENT_VOLUME_CLAIM = Kind(
    message=persistent_volume_claim_pb2.PersistentVolumeClaim,
    api_version="v1",
    resource="persistentvolumeclaims",
    short_names=("pvc",),
    order=Order.CONFIG,
    subresources=("status",),
)

KINDS: Final[tuple[AnyKind, ...]] = (PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM)
