"""The tables of volumes, of the groups ``storage.k8s.io`` and ``node.k8s.io``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from podraft.api import kinds
from podraft.api.columns.column import AGE, NAME, UNSET, Column, Table
from podraft.api.core.v1 import persistent_volume_claim_pb2, persistent_volume_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.deletion import is_deleting
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

_SHORT_MODES: Final = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_STORAGE: Final = "storage"


def _modes(modes: Iterable[str]) -> str:
    given = set(modes)
    return ",".join(short for mode, short in _SHORT_MODES.items() if mode in given)


def _size(capacity: Mapping[str, meta_pb2.Quantity]) -> str:
    return capacity[_STORAGE].string if _STORAGE in capacity else ""


def _volume_status(volume: persistent_volume_pb2.PersistentVolume, now_s: float) -> str:
    return "Terminating" if is_deleting(volume.metadata) else volume.status.phase


def _claim_of(volume: persistent_volume_pb2.PersistentVolume, now_s: float) -> str:
    claim = volume.spec.claim_ref
    return f"{claim.namespace}/{claim.name}" if claim.name else ""


def _claim_status(claim: persistent_volume_claim_pb2.PersistentVolumeClaim, now_s: float) -> str:
    return "Terminating" if is_deleting(claim.metadata) else claim.status.phase


def _claim_size(claim: persistent_volume_claim_pb2.PersistentVolumeClaim, now_s: float) -> str:
    # Until a claim is bound, there is no volume whose size and modes could be shown.
    return _size(claim.status.capacity) if claim.spec.volume_name else ""


def _claim_modes(claim: persistent_volume_claim_pb2.PersistentVolumeClaim, now_s: float) -> str:
    return _modes(claim.status.access_modes) if claim.spec.volume_name else ""


_VOLUME: Final = (
    NAME,
    Column("CAPACITY", lambda volume, now_s: _size(volume.spec.capacity)),
    Column("ACCESS MODES", lambda volume, now_s: _modes(volume.spec.access_modes)),
    Column("RECLAIM POLICY", lambda volume, now_s: volume.spec.persistent_volume_reclaim_policy),
    Column("STATUS", _volume_status, is_status=True),
    Column("CLAIM", _claim_of),
    Column("STORAGECLASS", lambda volume, now_s: volume.spec.storage_class_name),
    Column(
        "VOLUMEATTRIBUTESCLASS",
        lambda volume, now_s: volume.spec.volume_attributes_class_name or UNSET,
    ),
    Column("REASON", lambda volume, now_s: volume.status.reason),
    AGE,
    Column("VOLUMEMODE", lambda volume, now_s: volume.spec.volume_mode or UNSET, wide=True),
)
_CLAIM: Final = (
    NAME,
    Column("STATUS", _claim_status, is_status=True),
    Column("VOLUME", lambda claim, now_s: claim.spec.volume_name),
    Column("CAPACITY", _claim_size),
    Column("ACCESS MODES", _claim_modes),
    Column("STORAGECLASS", lambda claim, now_s: claim.spec.storage_class_name),
    Column(
        "VOLUMEATTRIBUTESCLASS",
        lambda claim, now_s: claim.spec.volume_attributes_class_name or UNSET,
    ),
    AGE,
    Column("VOLUMEMODE", lambda claim, now_s: claim.spec.volume_mode or UNSET, wide=True),
)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.PERSISTENT_VOLUME: Table(_VOLUME),
    kinds.PERSISTENT_VOLUME_CLAIM: Table(_CLAIM),
    kinds.STORAGE_CLASS: Table(_STORAGE_CLASS),
    kinds.CSI_DRIVER: Table(_CSI_DRIVER),
    kinds.CSI_NODE: Table(_CSI_NODE),
    kinds.RUNTIME_CLASS: Table(_RUNTIME_CLASS),
}
