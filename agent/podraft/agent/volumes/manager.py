"""Makes and removes the directories and mounts of pods.

Layout below the agent's state directory: ``pods/<uid>/volumes/<name>``,
``…/etc/<file>``, ``…/subpaths/<container>/<n>``, ``…/logs/<container>/<attempt>.log``.

Invariant: everything of a pod is below its directory; `remove` leaves nothing,
and no data is deleted through a mount (hostPath, subPath): mounts go first.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from podraft.agent.podman.spec import Mount
from podraft.agent.pods.core.environment import ConfigurationError
from podraft.agent.volumes import atomic_writer, files, mounts, payload, subpath
from podraft.api import quantities
from podraft.api.core.v1 import config_pb2, container_pb2, pod_pb2, volume_pb2

_log = logging.getLogger(__name__)

_HOST_PATH_CHECKS = {
    "Directory": stat.S_ISDIR,
    "File": stat.S_ISREG,
    "Socket": stat.S_ISSOCK,
    "CharDevice": stat.S_ISCHR,
    "BlockDevice": stat.S_ISBLK,
}
_SECRET_BYTES_MAX = 16 << 20


@dataclass(frozen=True, slots=True)
class Configuration:
    """The ConfigMaps and Secrets that a pod names, by name."""

    config_maps: Mapping[str, config_pb2.ConfigMap] = field(default_factory=dict)
    secrets: Mapping[str, config_pb2.Secret] = field(default_factory=dict)


class VolumeManager:
    """Everything of pods on this node's disks; all methods block: call them in a thread."""

    def __init__(self, state_directory: Path, node_name: str) -> None:
        self._pods = state_directory / "pods"
        self._node_name = node_name

    def directory(self, pod_uid: str) -> Path:
        """Return the directory that holds all of a pod."""
        return self._pods / pod_uid

    def log_path(self, pod_uid: str, container: str, attempt: int) -> Path:
        """Return the log file of one attempt."""
        return self.directory(pod_uid) / "logs" / container / f"{attempt}.log"

    def uids(self) -> list[str]:
        """Return the pods that have anything here."""
        return [entry.name for entry in self._pods.iterdir()] if self._pods.is_dir() else []

    def prepare(self, pod: pod_pb2.Pod, configuration: Configuration) -> None:
        """Make all volumes of a pod; made ones are brought up to date.

        Raises:
            ConfigurationError: A ConfigMap, Secret, key or host path is not as the pod says.
            OSError: The disk refuses.
        """
        root = self.directory(pod.metadata.uid)
        for name in ("volumes", "etc", "logs", "subpaths"):
            (root / name).mkdir(parents=True, exist_ok=True, mode=0o755)
        context = pod.spec.security_context
        group = int(context.fs_group) if context.HasField("fs_group") else None
        for volume in pod.spec.volumes:
            self._prepare_volume(root / "volumes" / volume.name, volume, configuration, group)

    def write_files(self, pod: pod_pb2.Pod, address: str) -> list[Mount]:
        """Write the pod's files below ``/etc`` and return their mounts."""
        etc = self.directory(pod.metadata.uid) / "etc"
        etc.mkdir(parents=True, exist_ok=True)
        name = files.hostname(pod, self._node_name)
        if pod.spec.host_network:
            texts = {"hosts": _read_or_empty("/etc/hosts")}
            texts["resolv.conf"] = _read_or_empty("/etc/resolv.conf")
        else:
            texts = {"hosts": files.hosts(address, name)}
            texts["resolv.conf"] = files.resolv_conf(_read_or_empty("/etc/resolv.conf"))
        texts["hostname"] = f"{name}\n"
        for file, text in texts.items():
            path = etc / file
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                # In place: a container that has the file mounted keeps seeing it.
                path.write_text(text, encoding="utf-8")
        return [Mount(str(etc / file), f"/etc/{file}") for file in texts]

    def container_mounts(self, pod: pod_pb2.Pod, container: container_pb2.Container) -> list[Mount]:
        """Return a container's volume mounts; a sub-path is pinned by a mount of its own.

        Raises:
            ConfigurationError: A mount names no volume, or a sub-path leads out of it.
        """
        volumes = {volume.name: volume for volume in pod.spec.volumes}
        result = []
        for index, mount in enumerate(container.volume_mounts):
            volume = volumes.get(mount.name)
            if volume is None:
                raise ConfigurationError(f'volumeMount names no volume: "{mount.name}"')
            source = self._volume_source(pod.metadata.uid, volume)
            if mount.sub_path:
                source = self._pin_subpath(pod, container.name, index, source, mount.sub_path)
            projected = volume.volume_source.HasField("config_map") or (
                volume.volume_source.HasField("secret")
            )
            result.append(Mount(str(source), mount.mount_path, mount.read_only or projected))
        return result

    def make_log_directory(self, pod_uid: str, container: str) -> None:
        """Make the directory of a container's logs."""
        self.log_path(pod_uid, container, 0).parent.mkdir(parents=True, exist_ok=True)

    def refresh(self, pod: pod_pb2.Pod, configuration: Configuration) -> None:
        """Bring the configMap and secret volumes of a running pod up to date.

        An object that is gone keeps its last content, as in Kubernetes.
        """
        root = self.directory(pod.metadata.uid) / "volumes"
        context = pod.spec.security_context
        group = int(context.fs_group) if context.HasField("fs_group") else None
        for volume in pod.spec.volumes:
            content = _content(volume.volume_source, configuration)
            if content is not None and (root / volume.name).is_dir():
                atomic_writer.write(root / volume.name, content, group)

    def release(self, pod_uid: str) -> None:
        """Take away the mounts and volumes of a pod, keep its logs."""
        root = self.directory(pod_uid)
        for point in mounts.mounted_below(root):
            mounts.unmount(point)
        for name in ("volumes", "etc", "subpaths"):
            _remove_tree(root / name)

    def remove(self, pod_uid: str) -> None:
        """Leave nothing of a pod."""
        self.release(pod_uid)
        _remove_tree(self.directory(pod_uid))

    def _prepare_volume(
        self,
        path: Path,
        volume: volume_pb2.Volume,
        configuration: Configuration,
        group: int | None,
    ) -> None:
        source = volume.volume_source
        if source.HasField("host_path"):
            _check_host_path(source.host_path)
            return
        if source.HasField("config_map") or source.HasField("secret"):
            content = _content(source, configuration, missing_is_error=True)
            path.mkdir(exist_ok=True, mode=0o755)
            if source.HasField("secret"):
                mounts.mount_tmpfs(path, _SECRET_BYTES_MAX, 0o755)
            atomic_writer.write(path, content or {}, group)
            return
        path.mkdir(exist_ok=True)
        empty = source.empty_dir
        if empty.medium == "Memory":
            size = quantities.whole(empty.size_limit) if empty.HasField("size_limit") else None
            mounts.mount_tmpfs(path, size, 0o777)
        if group is not None:
            os.chown(path, -1, group)
        path.chmod(0o2777 if group is not None else 0o777)

    def _volume_source(self, pod_uid: str, volume: volume_pb2.Volume) -> Path:
        if volume.volume_source.HasField("host_path"):
            return Path(volume.volume_source.host_path.path)
        return self.directory(pod_uid) / "volumes" / volume.name

    def _pin_subpath(
        self, pod: pod_pb2.Pod, container: str, index: int, volume: Path, inside: str
    ) -> Path:
        target = self.directory(pod.metadata.uid) / "subpaths" / container / str(index)
        if target.is_mount():
            mounts.unmount(target)
        descriptor = subpath.open_inside(volume, inside)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                if not target.is_dir():
                    target.unlink(missing_ok=True)
                    target.mkdir()
            elif not target.is_file():
                if target.is_dir():
                    target.rmdir()
                target.touch()
            mounts.bind(descriptor, target)
        finally:
            os.close(descriptor)
        return target


def _content(
    source: volume_pb2.VolumeSource,
    configuration: Configuration,
    *,
    missing_is_error: bool = False,
) -> payload.Payload | None:
    try:
        if source.HasField("config_map"):
            name = source.config_map.local_object_reference.name
            found = configuration.config_maps.get(name)
            return payload.config_map_payload(source.config_map, found)
        if source.HasField("secret"):
            secret = configuration.secrets.get(source.secret.secret_name)
            return payload.secret_payload(source.secret, secret)
    except ConfigurationError:
        if missing_is_error:
            raise
    return None


def _check_host_path(source: volume_pb2.HostPathVolumeSource) -> None:
    path = Path(source.path)
    match source.type:
        case "DirectoryOrCreate":
            path.mkdir(parents=True, exist_ok=True)
        case "FileOrCreate":
            path.touch(exist_ok=True)
    kind = source.type.removesuffix("OrCreate")
    check = _HOST_PATH_CHECKS.get(kind)
    if check is not None and not (path.exists() and check(path.stat().st_mode)):
        raise ConfigurationError(f"hostPath {source.path} is not a {kind} on this node")
    if not path.exists():
        raise ConfigurationError(f"hostPath {source.path} does not exist on this node")


def _read_or_empty(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def _remove_tree(path: Path) -> None:
    """Remove a folder and all in it; what stays does not keep the pod, but is told."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        _log.warning("%s cannot be removed", path)


def cgroup_paths(parent: str) -> Sequence[Path]:
    """Return a pod's cgroup in every hierarchy of this machine."""
    base = Path("/sys/fs/cgroup")
    unified = (base / "cgroup.controllers").exists()
    roots = [base] if unified else [root for root in base.iterdir() if root.is_dir()]
    return [root / parent.lstrip("/") for root in roots]


def remove_cgroups(parent: str) -> bool:
    """Remove a pod's cgroups and return whether all are gone.

    Podman leaves the parent and conmon's child behind; a process that is just ending
    keeps them for a moment.
    """
    gone = True
    for path in cgroup_paths(parent):
        if not path.is_dir():
            continue
        for folder in sorted(path.rglob("*/"), key=lambda p: len(p.parts), reverse=True):
            gone = _rmdir(folder) and gone
        gone = _rmdir(path) and gone
    return gone


def remove_if_empty(cgroup: str) -> None:
    """Remove a cgroup from every hierarchy where nothing is in it."""
    for path in cgroup_paths(cgroup):
        _rmdir(path)


def _rmdir(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
