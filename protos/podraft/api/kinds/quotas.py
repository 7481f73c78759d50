"""The kinds that limit what the objects of a namespace may use.

Owns: their entries.
"""

from __future__ import annotations

from typing import Final

from podraft.api.core.v1 import limit_range_pb2, resource_quota_pb2
from podraft.api.kinds.kind import AnyKind, Kind, Order

RESOURCE_QUOTA = Kind(
    message=resource_quota_pb2.ResourceQuota,
    api_version="v1",
    resource="resourcequotas",
    short_names=("quota",),
    order=Order.CONFIG,
    subresources=("status",),
)
LIMIT_RANGE = Kind(
    message=limit_range_pb2.LimitRange,
    api_version="v1",
    resource="limitranges",
    short_names=("limits",),
    order=Order.CONFIG,
)

KINDS: Final[tuple[AnyKind, ...]] = (RESOURCE_QUOTA, LIMIT_RANGE)
