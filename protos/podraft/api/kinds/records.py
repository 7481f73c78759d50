"""The kinds of the groups ``discovery``, ``coordination``, ``events`` and ``certificates``.

Owns: their entries.  Invariant: controllers, agents and tools write these objects by themselves;
users' manifests do without them.
"""

from __future__ import annotations

from typing import Final

from podraft.api.certificates.v1 import certificate_signing_request_pb2
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
CERTIFICATE_SIGNING_REQUEST = Kind(
    message=certificate_signing_request_pb2.CertificateSigningRequest,
    api_version="certificates.k8s.io/v1",
    resource="certificatesigningrequests",
    short_names=("csr",),
    namespaced=False,
    order=Order.RECORDS,
    subresources=("status",),
    selectable_fields=("metadata.name", "spec.signerName"),
)

KINDS: Final[tuple[AnyKind, ...]] = (
    ENDPOINT_SLICE,
    LEASE,
    EVENT,
    CERTIFICATE_SIGNING_REQUEST,
)
