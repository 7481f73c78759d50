"""Sources of volumes that plugins serve: of a pod's volumes and of persistent ones alike.

Owns: what each plugin's source must say at least, its ranges, and its defaults.

Invariant: the two forms of a source, a pod's and a persistent volume's, have the same rules; they
differ in where their secret is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.message import Message

from podraft.api import names
from podraft.api.violations import shown
from podraft.server.kinds.report import Report

# By the name of a pod's form of the message: the fields that must not be empty.
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "AWSElasticBlockStoreVolumeSource": ("volume_id",),
    "AzureDiskVolumeSource": ("disk_name", "disk_uri"),
    "AzureFileVolumeSource": ("secret_name", "share_name"),
    "CSIVolumeSource": ("driver",),
    "CephFSVolumeSource": ("monitors",),
    "CinderVolumeSource": ("volume_id",),
    "FlexVolumeSource": ("driver",),
    "GCEPersistentDiskVolumeSource": ("pd_name",),
    "GitRepoVolumeSource": ("repository",),
    "GlusterfsVolumeSource": ("endpoints", "path"),
    "ISCSIVolumeSource": ("target_portal", "iqn"),
    "LocalVolumeSource": ("path",),
    "NFSVolumeSource": ("server", "path"),
    "PersistentVolumeClaimVolumeSource": ("claim_name",),
    "PhotonPersistentDiskVolumeSource": ("pd_id",),
    "PortworxVolumeSource": ("volume_id",),
    "QuobyteVolumeSource": ("registry", "volume"),
    "RBDVolumeSource": ("monitors", "image"),
    "ScaleIOVolumeSource": ("gateway", "system", "secret_ref", "volume_name"),
    "StorageOSVolumeSource": ("volume_name",),
    "VsphereVirtualDiskVolumeSource": ("volume_path",),
}
_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "AzureDiskVolumeSource": {
        "caching_mode": "ReadWrite",
        "kind": "Shared",
        "fs_type": "ext4",
        "read_only": False,
    },
    "ISCSIVolumeSource": {"iscsi_interface": "default"},
    "RBDVolumeSource": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "ScaleIOVolumeSource": {"storage_mode": "ThinProvisioned", "fs_type": "xfs"},
}
# Numbers of partitions and of disks at a target.
_BYTES: Final = ("partition", "lun")
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "caching_mode": ("None", "ReadOnly", "ReadWrite"),
    "kind": ("Shared", "Dedicated", "Managed"),
}


def _form(source: Message) -> str:
    """Return the name of the message, in a pod's form."""
    return source.DESCRIPTOR.name.replace("PersistentVolumeSource", "VolumeSource")


def default_source(source: Any) -> None:
    """Fill in the fields that a plugin's source leaves out."""
    for field, value in _DEFAULTS.get(_form(source), {}).items():
        if not source.HasField(field) or getattr(source, field) == "":
            setattr(source, field, value)


def check_source(source: Any, field: str, report: Report) -> None:
    """Check a plugin's source."""
    _check_values(source, field, report)
    match _form(source):
        case "CSIVolumeSource":
            _check_csi(source, field, report)
        case "FCVolumeSource":
            _check_fibre_channel(source, field, report)
        case "FlockerVolumeSource":
            if bool(source.dataset_name) == bool(source.dataset_uuid):
                report.add(field, "expected exactly one of datasetName, datasetUUID")
        case "LocalVolumeSource" | "NFSVolumeSource":
            _check_path(source.path, f"{field}.path", report)
        case "PersistentVolumeClaimVolumeSource":
            claim = source.claim_name
            if claim and (problem := names.dns_subdomain(claim)) is not None:
                report.add(f"{field}.claimName", f"{shown(claim)} {problem}")


def _check_values(source: Any, field: str, report: Report) -> None:
    """Check the fields that have the same rules in all sources that have them."""
    described = source.DESCRIPTOR.fields_by_name
    for name in _REQUIRED.get(_form(source), ()):
        value = getattr(source, name)
        missing = not source.HasField(name) if isinstance(value, Message) else not value
        if missing:
            report.required(f"{field}.{described[name].json_name}")
    for name in _BYTES:
        if name in described:
            report.between(f"{field}.{name}", getattr(source, name), 0, 255)
    for name, words in _WORDS.items():
        if name in described:
            report.one_of(f"{field}.{described[name].json_name}", getattr(source, name), words)
    for one, value in source.ListFields():
        if isinstance(value, str):
            report.no_nul(f"{field}.{one.json_name}", value)


def _check_csi(source: Any, field: str, report: Report) -> None:
    driver = source.driver
    if driver and (problem := names.dns_subdomain(driver.lower())) is not None:
        report.add(f"{field}.driver", f"{shown(driver)} {problem}")
    if "volume_handle" in source.DESCRIPTOR.fields_by_name and not source.volume_handle:
        report.required(f"{field}.volumeHandle")


def _check_fibre_channel(source: Any, field: str, report: Report) -> None:
    if bool(source.target_wwns) == bool(source.wwids):
        report.add(field, "expected exactly one of targetWWNs, wwids")
    elif source.target_wwns and not source.HasField("lun"):
        report.required(f"{field}.lun")


def _check_path(path: str, field: str, report: Report) -> None:
    if ".." in path.split("/"):
        report.add(field, f"must not contain '..', is {shown(path)}")
    elif path and not path.startswith("/"):
        report.add(field, f"must be absolute, is {shown(path)}")
