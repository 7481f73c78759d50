"""The kinds of ``storage.k8s.io`` and ``node.k8s.io``: volumes' sorts and drivers, runtimes.

Owns: their entries.  Invariant: what pods and claims name comes before them.
"""

from __future__ import annotations

from typing import Final

from podraft.api.kinds.kind import AnyKind, Kind, Order
from podraft.api.node.v1 import runtime_class_pb2
from podraft.api.storage.v1 import csi_driver_pb2, csi_node_pb2, storage_class_pb2

_STORAGE: Final = "storage.k8s.io/v1"

RUNTIME_CLASS = Kind(
    message=runtime_class_pb2.RuntimeClass,
    api_version="node.k8s.io/v1",
    resource="runtimeclasses",
    namespaced=False,
    order=Order.CONFIG,
    selectable_fields=("metadata.name",),
)
STORAGE_CLASS = Kind(
    message=storage_class_pb2.StorageClass,
    api_version=_STORAGE,
    resource="storageclasses",
    short_names=("sc",),
    namespaced=False,
    order=Order.CONFIG,
    selectable_fields=("metadata.name",),
)
CSI_DRIVER = Kind(
    message=csi_driver_pb2.CSIDriver,
    api_version=_STORAGE,
    resource="csidrivers",
    namespaced=False,
    order=Order.CONFIG,
    selectable_fields=("metadata.name",),
)
CSI_NODE = Kind(
    message=csi_node_pb2.CSINode,
    api_version=_STORAGE,
    resource="csinodes",
    namespaced=False,
    order=Order.RECORDS,
    selectable_fields=("metadata.name",),
)

KINDS: Final[tuple[AnyKind, ...]] = (RUNTIME_CLASS, STORAGE_CLASS, CSI_DRIVER, CSI_NODE)
