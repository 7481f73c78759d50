"""Volumes of a pod: defaults, sources, and paths that stay inside their volume."""

from __future__ import annotations

from collections.abc import Iterable

from podraft.api import names
from podraft.api.core.v1 import volume_pb2
from podraft.api.violations import shown
from podraft.server.kinds.report import Report, check_quantity

_DEFAULT_MODE = 0o644
_HOST_PATH_TYPES = (
    "",
    "DirectoryOrCreate",
    "Directory",
    "FileOrCreate",
    "File",
    "Socket",
    "CharDevice",
    "BlockDevice",
)
_SOURCES = ("hostPath", "emptyDir", "secret", "configMap")


def default_volume(volume: volume_pb2.Volume) -> None:
    """Fill in modes; a volume that names no source is an empty directory."""
    source = volume.volume_source
    if source.HasField("config_map"):
        if not source.config_map.HasField("default_mode"):
            source.config_map.default_mode = _DEFAULT_MODE
    elif source.HasField("secret"):
        if not source.secret.HasField("default_mode"):
            source.secret.default_mode = _DEFAULT_MODE
    elif not source.HasField("host_path"):
        source.empty_dir.SetInParent()


def check_volumes(volumes: Iterable[volume_pb2.Volume], field: str, report: Report) -> set[str]:
    """Check the volumes; return their names."""
    found: set[str] = set()
    for index, volume in enumerate(volumes):
        path = f"{field}[{index}]"
        name = volume.name
        if name in found:
            report.add(f"{path}.name", f"duplicate: another volume is called {shown(name)}")
        report.name(f"{path}.name", name, names.dns_label(name))
        found.add(name)
        _check_source(volume.volume_source, path, report)
    return found


def _check_source(source: volume_pb2.VolumeSource, path: str, report: Report) -> None:
    chosen = 0
    if source.HasField("empty_dir"):
        chosen += 1
        _check_empty_dir(source.empty_dir, f"{path}.emptyDir", report)
    if source.HasField("config_map"):
        chosen += 1
        config_map = source.config_map
        name = config_map.local_object_reference.name
        report.name(f"{path}.configMap.name", name, names.dns_subdomain(name))
        _check_mode(config_map.default_mode, f"{path}.configMap.defaultMode", report)
        _check_items(config_map.items, f"{path}.configMap.items", report)
    if source.HasField("secret"):
        chosen += 1
        secret = source.secret
        name = secret.secret_name
        report.name(f"{path}.secret.secretName", name, names.dns_subdomain(name))
        _check_mode(secret.default_mode, f"{path}.secret.defaultMode", report)
        _check_items(secret.items, f"{path}.secret.items", report)
    if source.HasField("host_path"):
        chosen += 1
        _check_host_path(source.host_path, f"{path}.hostPath", report)
    if chosen != 1:
        report.add(path, f"expected exactly one of {', '.join(_SOURCES)}, got {chosen}")


def _check_empty_dir(source: volume_pb2.EmptyDirVolumeSource, path: str, report: Report) -> None:
    report.one_of(f"{path}.medium", source.medium, ("", "Memory"))
    if source.HasField("size_limit"):
        check_quantity(source.size_limit, f"{path}.sizeLimit", report)


def _check_host_path(source: volume_pb2.HostPathVolumeSource, path: str, report: Report) -> None:
    if not source.path:
        report.required(f"{path}.path")
    elif not source.path.startswith("/"):
        report.add(f"{path}.path", f"must be absolute, is {shown(source.path)}")
    elif ".." in source.path.split("/"):
        report.add(f"{path}.path", f"must not contain '..', is {shown(source.path)}")
    report.no_nul(f"{path}.path", source.path)
    report.one_of(f"{path}.type", source.type, _HOST_PATH_TYPES)


def _check_mode(mode: int, field: str, report: Report) -> None:
    if not 0 <= mode <= 0o777:
        report.add(field, f"must be 0 to 0777 (decimal 511), is decimal {mode}")


def _check_items(items: Iterable[volume_pb2.KeyToPath], field: str, report: Report) -> None:
    for index, item in enumerate(items):
        path = f"{field}[{index}]"
        if not item.key:
            report.required(f"{path}.key")
        if not item.path:
            report.required(f"{path}.path")
        else:
            check_inner_path(item.path, f"{path}.path", report)
        if item.HasField("mode"):
            _check_mode(item.mode, f"{path}.mode", report)


def check_inner_path(value: str, field: str, report: Report) -> None:
    """Check a path that must stay below its volume's root."""
    report.no_nul(field, value)
    if value.startswith("/"):
        report.add(field, f"must be relative, is {shown(value)}")
    elif ".." in value.split("/"):
        report.add(field, f"must not contain '..', is {shown(value)}")


def check_mounts(
    mounts: Iterable[volume_pb2.VolumeMount], volumes: set[str], field: str, report: Report
) -> None:
    """Check a container's mounts against the pod's volumes."""
    paths: set[str] = set()
    for index, mount in enumerate(mounts):
        path = f"{field}[{index}]"
        if not mount.name:
            report.required(f"{path}.name")
        elif mount.name not in volumes:
            known = f"the pod has {', '.join(sorted(volumes))}" if volumes else "the pod has none"
            report.add(f"{path}.name", f"no volume is called {shown(mount.name)}: {known}")
        _check_mount_path(mount.mount_path, paths, f"{path}.mountPath", report)
        if mount.sub_path:
            check_inner_path(mount.sub_path, f"{path}.subPath", report)


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
