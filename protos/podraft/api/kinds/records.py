"""The kinds of ``discovery.k8s.io``, ``coordination.k8s.io`` and ``events.k8s.io``.

Owns: their entries.  Invariant: controllers and agents write these objects by themselves; users'
manifests do without them.
"""

from __future__ import annotations

from typing import Final

from podraft.api.coordination.v1 import lease_pb2
from podraft.api.discovery.v1 import endpoint_slice_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.kinds.kind import AnyKind, Kind, Order

ENDPOINT_SLICE = Kind(
    message=endpoint_slice_pb2.EndpointSlice,
    api_version="discovery.k8s.io/v1",
    resource="endpointslices",
    order=Order.RECORDS,
)
LEASE = Kind(
    message=lease_pb2.Lease,
    api_version="coordination.k8s.io/v1",
    resource="leases",
    order=Order.RECORDS,
)
EVENT = Kind(
    message=event_pb2.Event,
    api_version="events.k8s.io/v1",
    resource="events",
    short_names=("ev",),
    order=Order.RECORDS,
    selectable_fields=(
        "metadata.name",
        "metadata.namespace",
        "regarding.kind",
        "regarding.name",
        "regarding.namespace",
        "regarding.uid",
        "reason",
        "type",
    ),
)

KINDS: Final[tuple[AnyKind, ...]] = (ENDPOINT_SLICE, LEASE, EVENT)
