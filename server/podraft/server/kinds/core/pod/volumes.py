"""Volumes of a pod: their defaults, and that each has exactly one source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from podraft.api import names
from podraft.api.core.v1 import volume_pb2
from podraft.api.objects.images import PULL_POLICIES, implied_pull_policy
from podraft.api.violations import shown
from podraft.server.kinds.core.pod.projected import (
    check_files,
    check_projected,
    default_files,
    default_projected,
)
from podraft.server.kinds.report import Report, check_quantity
from podraft.server.kinds.shared.paths import (
    DEFAULT_MODE,
    check_inner_path,
    check_items,
    check_mode,
)
from podraft.server.kinds.shared.volume_claims import check_claim, default_claim
from podraft.server.kinds.shared.volume_sources import check_source, default_source

_HOST_PATH_TYPES: Final = (
    "",
    "DirectoryOrCreate",
    "Directory",
    "FileOrCreate",
    "File",
    "Socket",
    "CharDevice",
    "BlockDevice",
)
# Those that a message names; all others are for plugins.
_COMMON: Final = "hostPath, emptyDir, secret, configMap, projected, persistentVolumeClaim"


def default_volume(volume: volume_pb2.Volume) -> None:
    """Fill in what a source leaves out; a volume that names no source is an empty directory."""
    source = volume.volume_source
    if source.HasField("config_map"):
        if not source.config_map.HasField("default_mode"):
            source.config_map.default_mode = DEFAULT_MODE
    elif source.HasField("secret"):
        if not source.secret.HasField("default_mode"):
            source.secret.default_mode = DEFAULT_MODE
    elif source.HasField("empty_dir") or source.HasField("host_path"):
        return
    elif source.ListFields():
        _default_other(source)
    else:
        source.empty_dir.SetInParent()


def _default_other(source: volume_pb2.VolumeSource) -> None:
    for described, value in source.ListFields():
        match described.name:
            case "projected":
                default_projected(value)
            case "downward_api":
                if not value.HasField("default_mode"):
                    value.default_mode = DEFAULT_MODE
                default_files(value.items)
            case "ephemeral":
                if value.HasField("volume_claim_template"):
                    default_claim(value.volume_claim_template.spec)
            case "image":
                if not value.pull_policy:
                    value.pull_policy = implied_pull_policy(value.reference)
            case _:
                default_source(value)


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
        chosen = volume.volume_source.ListFields()
        for described, source in chosen:
            check = _CHECKS.get(described.name, check_source)
            check(source, f"{path}.{described.json_name}", report)
        if len(chosen) != 1:
            expected = f"expected exactly one source, such as {_COMMON}"
            report.add(path, f"{expected}, got {len(chosen)}")
    return found


def _check_config_map(source: volume_pb2.ConfigMapVolumeSource, field: str, report: Report) -> None:
    name = source.local_object_reference.name
    report.name(f"{field}.name", name, names.dns_subdomain(name))
    check_mode(source.default_mode, f"{field}.defaultMode", report)
    check_items(source.items, f"{field}.items", report)


def _check_secret(source: volume_pb2.SecretVolumeSource, field: str, report: Report) -> None:
    name = source.secret_name
    report.name(f"{field}.secretName", name, names.dns_subdomain(name))
    check_mode(source.default_mode, f"{field}.defaultMode", report)
    check_items(source.items, f"{field}.items", report)


def _check_empty_dir(source: volume_pb2.EmptyDirVolumeSource, field: str, report: Report) -> None:
    report.one_of(f"{field}.medium", source.medium, ("", "Memory"))
    if source.HasField("size_limit"):
        check_quantity(source.size_limit, f"{field}.sizeLimit", report)


def check_host_path(source: volume_pb2.HostPathVolumeSource, field: str, report: Report) -> None:
    """Check a file or folder of the node."""
    if not source.path:
        report.required(f"{field}.path")
    elif not source.path.startswith("/"):
        report.add(f"{field}.path", f"must be absolute, is {shown(source.path)}")
    elif ".." in source.path.split("/"):
        report.add(f"{field}.path", f"must not contain '..', is {shown(source.path)}")
    report.no_nul(f"{field}.path", source.path)
    report.one_of(f"{field}.type", source.type, _HOST_PATH_TYPES)


def _check_downward(source: Any, field: str, report: Report) -> None:
    check_mode(source.default_mode, f"{field}.defaultMode", report)
    check_files(source.items, f"{field}.items", report)


def _check_ephemeral(source: volume_pb2.EphemeralVolumeSource, field: str, report: Report) -> None:
    path = f"{field}.volumeClaimTemplate"
    if source.HasField("volume_claim_template"):
        check_claim(source.volume_claim_template.spec, f"{path}.spec", report)
    else:
        report.required(path)


def _check_image(source: volume_pb2.ImageVolumeSource, field: str, report: Report) -> None:
    report.no_nul(f"{field}.reference", source.reference)
    report.one_of(f"{field}.pullPolicy", source.pull_policy, PULL_POLICIES)


def _check_git(source: volume_pb2.GitRepoVolumeSource, field: str, report: Report) -> None:
    check_source(source, field, report)
    check_inner_path(source.directory, f"{field}.directory", report)


_CHECKS: Final[Mapping[str, Callable[[Any, str, Report], None]]] = {
    "config_map": _check_config_map,
    "secret": _check_secret,
    "empty_dir": _check_empty_dir,
    "host_path": check_host_path,
    "projected": check_projected,
    "downward_api": _check_downward,
    "ephemeral": _check_ephemeral,
    "image": _check_image,
    "git_repo": _check_git,
}
