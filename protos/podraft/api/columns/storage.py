"""The tables of the groups ``storage.k8s.io`` and ``node.k8s.io``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from podraft.api import kinds
from podraft.api.columns.column import AGE, NAME, UNSET, Column, Table
from podraft.api.storage.v1 import csi_driver_pb2, storage_class_pb2

_IS_DEFAULT: Final = "storageclass.kubernetes.io/is-default-class"


def _name(storage_class: storage_class_pb2.StorageClass, now_s: float) -> str:
    name = storage_class.metadata.name
    is_default = storage_class.metadata.annotations.get(_IS_DEFAULT) == "true"
    return f"{name} (default)" if is_default else name


def _flag(read: Callable[[Any], bool]) -> Callable[[Any, float], str]:
    return lambda obj, now_s: str(read(obj)).lower()


def _audiences(driver: csi_driver_pb2.CSIDriver, now_s: float) -> str:
    return ",".join(token.audience for token in driver.spec.token_requests) or UNSET


_STORAGE_CLASS: Final = (
    Column("NAME", _name),
    Column("PROVISIONER", lambda one, now_s: one.provisioner),
    Column("RECLAIMPOLICY", lambda one, now_s: one.reclaim_policy or "Delete"),
    Column("VOLUMEBINDINGMODE", lambda one, now_s: one.volume_binding_mode or UNSET),
    Column("ALLOWVOLUMEEXPANSION", _flag(lambda one: one.allow_volume_expansion)),
    AGE,
)
_CSI_DRIVER: Final = (
    NAME,
    Column("ATTACHREQUIRED", _flag(lambda driver: driver.spec.attach_required)),
    Column("PODINFOONMOUNT", _flag(lambda driver: driver.spec.pod_info_on_mount)),
    Column("STORAGECAPACITY", _flag(lambda driver: driver.spec.storage_capacity)),
    Column("TOKENREQUESTS", _audiences),
    Column("REQUIRESREPUBLISH", _flag(lambda driver: driver.spec.requires_republish)),
    Column("MODES", lambda driver, now_s: ",".join(driver.spec.volume_lifecycle_modes)),
    AGE,
)
_CSI_NODE: Final = (
    NAME,
    Column("DRIVERS", lambda node, now_s: str(len(node.spec.drivers))),
    AGE,
)
_RUNTIME_CLASS: Final = (
    NAME,
    Column("HANDLER", lambda runtime_class, now_s: runtime_class.handler),
    AGE,
)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.STORAGE_CLASS: Table(_STORAGE_CLASS),
    kinds.CSI_DRIVER: Table(_CSI_DRIVER),
    kinds.CSI_NODE: Table(_CSI_NODE),
    kinds.RUNTIME_CLASS: Table(_RUNTIME_CLASS),
}
