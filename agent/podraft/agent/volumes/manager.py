"""The directories and mounts of pods: making and removing them.

Layout below the agent's state directory: ``pods/<uid>/volumes/<name>``,
``…/etc/<container>/<file>``, ``…/subpaths/<container>/<n>``,
``…/logs/<container>/<attempt>.log``.

Invariant: everything of a pod is below its directory; `remove` leaves nothing, and no data is
deleted through a mount (hostPath, subPath): mounts go first. Files that a container can write
are never read.
"""

from __future__ import annotations

import logging
import os
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path

from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.podman.core.spec import Mount
from podraft.agent.volumes import atomic_writer, container_mounts, mounts
from podraft.agent.volumes.core import files, payload
from podraft.agent.volumes.core.payload import Configuration
from podraft.api import quantities
from podraft.api.core.v1 import container_pb2, pod_pb2, volume_pb2
from podraft.api.violations import shown

_LOG = logging.getLogger(__name__)

_HOST_PATH_CHECKS = {
    "Directory": stat.S_ISDIR,
    "File": stat.S_ISREG,
    "Socket": stat.S_ISSOCK,
    "CharDevice": stat.S_ISCHR,
    "BlockDevice": stat.S_ISBLK,
}
_SECRET_BYTES_MAX = 16 << 20
_NODE_FILE_BYTES_MAX = 1 << 20


class VolumeManager:
    """Everything of pods on this node's disks; all methods block: call them in a thread."""

    def __init__(self, state_directory: Path, node_name: str) -> None:
        self._pods = state_directory / "pods"
        self._node_name = node_name

    def directory(self, pod_uid: str) -> Path:
        """Return the directory that holds everything of a pod."""
        return self._pods / pod_uid

    def log_path(self, pod_uid: str, container: str, attempt: int) -> Path:
        """Return the log file of one attempt."""
        return self.directory(pod_uid) / "logs" / container / f"{attempt}.log"

    def uids(self) -> list[str]:
        """Return the uids of the pods that have anything here."""
        return [entry.name for entry in self._pods.iterdir()] if self._pods.is_dir() else []

    def prepare(self, pod: pod_pb2.Pod, configuration: Configuration) -> None:
        """Make all volumes of a pod; bring existing ones up to date.

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

    def write_files(
        self, pod: pod_pb2.Pod, container: container_pb2.Container, address: str
    ) -> list[Mount]:
        """Write a container's files below ``/etc`` anew; return their mounts.

        Each container has its own files: it may write to them, and nobody reads what it wrote.
        """
        etc = self.directory(pod.metadata.uid) / "etc" / container.name
        etc.mkdir(parents=True, exist_ok=True)
        name = files.hostname(pod, self._node_name)
        resolv_conf = _node_file("/etc/resolv.conf")
        if pod.spec.host_network:
            contents = {"hosts": _node_file("/etc/hosts"), "resolv.conf": resolv_conf}
        else:
            contents = {
                "hosts": files.hosts(address, name).encode(),
                "resolv.conf": files.resolv_conf(resolv_conf),
            }
        contents["hostname"] = f"{name}\n".encode()
        for file, content in contents.items():
            # A new file replaces the old one: an attempt that still runs keeps the file that it
            # has.
            (etc / file).unlink(missing_ok=True)
            (etc / file).write_bytes(content)
        return [Mount(str(etc / file), f"/etc/{file}") for file in contents]

    def container_mounts(self, pod: pod_pb2.Pod, container: container_pb2.Container) -> list[Mount]:
        """Return a container's volume mounts; see `container_mounts.container_mounts`."""
        root = self.directory(pod.metadata.uid)
        return container_mounts.container_mounts(root, pod, container)

    def make_log_directory(self, pod_uid: str, container: str) -> None:
        """Make the directory of a container's logs."""
        self.log_path(pod_uid, container, 0).parent.mkdir(parents=True, exist_ok=True)

    def refresh(self, pod: pod_pb2.Pod, configuration: Configuration) -> None:
        """Bring the configMap and secret volumes of a running pod up to date.

        A volume whose object is gone keeps its last content, as in Kubernetes.
        """
        root = self.directory(pod.metadata.uid) / "volumes"
        context = pod.spec.security_context
        group = int(context.fs_group) if context.HasField("fs_group") else None
        for volume in pod.spec.volumes:
            content = payload.content(volume.volume_source, configuration)
            if content is not None and (root / volume.name).is_dir():
                atomic_writer.write(root / volume.name, content, group)

    def release(self, pod_uid: str) -> None:
        """Remove the mounts and volumes of a pod; keep its logs."""
        root = self.directory(pod_uid)
        _unmount_below(root)
        remove_trees(root / name for name in ("volumes", "etc", "subpaths"))

    def remove(self, pod_uid: str) -> None:
        """Remove everything of a pod."""
        root = self.directory(pod_uid)
        _unmount_below(root)
        remove_trees([root])

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
            content = payload.content(source, configuration, missing_is_error=True)
            path.mkdir(exist_ok=True, mode=0o755)
            if source.HasField("secret"):
                mounts.mount_tmpfs(path, _SECRET_BYTES_MAX, 0o755)
            atomic_writer.write(path, content or {}, group)
            return
        for described, _ in source.ListFields():
            if described.name != "empty_dir":
                # An empty folder in its place would look like lost data.
                name = shown(volume.name)
                raise ConfigurationError(f"volume {name}: {described.json_name} is not supported")
        mode = 0o2777 if group is not None else 0o777
        if not path.is_dir():
            # Finished, then shown: later changes of the mode by a container persist.
            draft = path.with_name(f".{path.name}")
            draft.mkdir(exist_ok=True)
            if group is not None:
                os.chown(draft, -1, group)
            draft.chmod(mode)
            draft.rename(path)
        empty = source.empty_dir
        if empty.medium == "Memory":
            size = quantities.whole(empty.size_limit) if empty.HasField("size_limit") else None
            mounts.mount_tmpfs(path, size, mode, group)


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


def _node_file(path: str) -> bytes:
    """Return the beginning of a node's file, as bytes: it need not be text; empty if absent."""
    try:
        with Path(path).open("rb") as file:
            return file.read(_NODE_FILE_BYTES_MAX)
    except OSError:
        return b""


def _unmount_below(root: Path) -> None:
    for point in mounts.mounted_below(root):
        mounts.unmount(point)


def remove_trees(paths: Iterable[Path]) -> None:
    """Remove folders and everything in them; log what remains, which does not hold up the pod."""
    for path in trees_left(paths):
        _LOG.warning("%s cannot be removed", path)


def trees_left(paths: Iterable[Path]) -> list[Path]:
    """Remove folders and everything in them; return those that could not be removed completely.

    Containers nest folders as deeply as they like: Python would run out of stack and descriptors.
    """
    there = [path for path in paths if path.exists()]
    if there:
        command = ["rm", "--recursive", "--force", "--one-file-system", "--", *map(str, there)]
        subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return [path for path in there if path.exists()]
