"""Mounts of a pod's volumes and devices in one container."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from podraft.api.core.v1 import container_pb2, volume_pb2
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.paths import check_inner_path

_BIDIRECTIONAL: Final = "Bidirectional"
_PROPAGATIONS: Final = ("None", "HostToContainer", _BIDIRECTIONAL)
_RECURSIVE: Final = ("Disabled", "IfPossible", "Enabled")


def check_mounts(
    container: container_pb2.Container, volumes: Collection[str], field: str, report: Report
) -> None:
    """Check a container's mounts and devices against the pod's volumes."""
    paths: set[str] = set()
    for index, mount in enumerate(container.volume_mounts):
        path = f"{field}.volumeMounts[{index}]"
        _check_name(mount.name, volumes, f"{path}.name", report)
        _check_mount_path(mount.mount_path, paths, f"{path}.mountPath", report)
        if mount.sub_path:
            check_inner_path(mount.sub_path, f"{path}.subPath", report)
        _check_rest(mount, container.security_context.privileged, path, report)
    for index, device in enumerate(container.volume_devices):
        path = f"{field}.volumeDevices[{index}]"
        _check_name(device.name, volumes, f"{path}.name", report)
        _check_mount_path(device.device_path, paths, f"{path}.devicePath", report)


def _check_name(name: str, volumes: Collection[str], field: str, report: Report) -> None:
    if not name:
        report.required(field)
    elif name not in volumes:
        known = f"the pod has {', '.join(sorted(volumes))}" if volumes else "the pod has none"
        report.add(field, f"no volume is called {shown(name)}: {known}")


def _check_rest(
    mount: volume_pb2.VolumeMount, privileged: bool, field: str, report: Report
) -> None:
    if mount.sub_path_expr:
        check_inner_path(mount.sub_path_expr, f"{field}.subPathExpr", report)
        if mount.sub_path:
            report.add(f"{field}.subPathExpr", "must not be set when subPath is")
    if mount.mount_propagation:
        report.one_of(f"{field}.mountPropagation", mount.mount_propagation, _PROPAGATIONS)
        if mount.mount_propagation == _BIDIRECTIONAL and not privileged:
            must = f"must not be {_BIDIRECTIONAL} in a container that is not privileged"
            report.add(f"{field}.mountPropagation", must)
    if mount.recursive_read_only:
        report.one_of(f"{field}.recursiveReadOnly", mount.recursive_read_only, _RECURSIVE)
        if mount.recursive_read_only != "Disabled" and not mount.read_only:
            report.add(f"{field}.recursiveReadOnly", "must only be set when readOnly is true")


def _check_mount_path(value: str, taken: set[str], field: str, report: Report) -> None:
    if not value:
        report.required(field)
        return
    if not value.startswith("/"):
        report.add(field, f"must be absolute, is {shown(value)}")
    elif ":" in value:
        report.add(field, f"must not contain ':', is {shown(value)}")
    report.no_nul(field, value)
    normal = value.rstrip("/") or "/"
    if normal in taken:
        report.add(field, f"duplicate: something else is mounted at {shown(value)}")
    taken.add(normal)
