"""The view that one container has of its pod's volumes: sub-paths are pinned by mounts.

Owns: ``<pod>/subpaths/<container>/<n>``, the mount points of pinned sub-paths.

Invariant: no path that a container may have changed is followed: the kernel resolves the path
inside its volume, and the result is mounted by its descriptor.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.podman.core.spec import Mount
from podraft.agent.volumes import mounts, subpath
from podraft.api.core.v1 import container_pb2, pod_pb2, volume_pb2
from podraft.api.violations import shown

_MOUNTS_MAX = 500


def container_mounts(
    root: Path, pod: pod_pb2.Pod, container: container_pb2.Container
) -> list[Mount]:
    """Return a container's volume mounts; ``root`` is the pod's directory.

    Raises:
        ConfigurationError: A mount names no volume, or a sub-path leads out of its volume or
            is not a key of the ConfigMap or Secret.
        OSError: The disk refuses.
    """
    count = len(container.volume_mounts)
    if count > _MOUNTS_MAX:
        # The kernel limits the number of mounts of the whole node.
        raise ConfigurationError(
            f"container has {count} volumeMounts, at most {_MOUNTS_MAX} can be"
        )
    volumes = {volume.name: volume for volume in pod.spec.volumes}
    result: list[Mount] = []
    writable_by_us: list[Mount] = []
    for index, mount in enumerate(container.volume_mounts):
        volume = volumes.get(mount.name)
        if volume is None:
            raise ConfigurationError(f"volumeMount names no volume: {shown(mount.name)}")
        origin = volume.volume_source
        source: Path | None = root / "volumes" / volume.name
        if origin.HasField("host_path"):
            source = Path(origin.host_path.path)
        projected = origin.HasField("config_map") or origin.HasField("secret")
        if mount.sub_path:
            assert source is not None
            target = root / "subpaths" / container.name / str(index)
            source = _pin(target, source, volume, mount.sub_path)
        if source is None:
            continue
        own = not origin.HasField("host_path")
        made = Mount(str(source), mount.mount_path, mount.read_only or projected, own)
        result.append(made)
        if own and not projected:
            writable_by_us.append(made)
    _make_mount_points(result, writable_by_us)
    return result


def _pin(target: Path, volume_path: Path, volume: volume_pb2.Volume, inside: str) -> Path | None:
    """Mount what is at a sub-path now; return None for an optional key that is absent."""
    # The previous attempt had its own mount, which may show something deleted since.
    mounts.unmount_all(target)
    descriptor = _open(volume_path, volume.volume_source, inside)
    if descriptor is None:
        return None
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


def _open(volume_path: Path, source: volume_pb2.VolumeSource, inside: str) -> int | None:
    if source.HasField("config_map"):
        optional = source.config_map.optional
        what = f"ConfigMap {shown(source.config_map.local_object_reference.name)}"
    elif source.HasField("secret"):
        optional, what = source.secret.optional, f"Secret {shown(source.secret.secret_name)}"
    else:
        return subpath.open_inside(volume_path, inside)
    try:
        # Nothing is made here: a folder in a key's place would hide that the key is gone.
        return subpath.open_inside(volume_path, inside, make=False)
    except FileNotFoundError:
        if optional:
            return None
        raise ConfigurationError(
            f"couldn't find key {shown(inside)} in {what}, which is mounted by subPath"
        ) from None


def _make_mount_points(all_mounts: Iterable[Mount], writable_by_us: Iterable[Mount]) -> None:
    """Make the mount points below read-only volumes, since the runtime could not make them."""
    outer_ones = [mount for mount in writable_by_us if mount.read_only]
    for inner in all_mounts if outer_ones else ():
        path = PurePosixPath(inner.destination)
        enclosing = [
            mount
            for mount in outer_ones
            if mount is not inner and path.is_relative_to(mount.destination)
        ]
        if not enclosing:
            continue
        outer = max(enclosing, key=lambda mount: len(mount.destination))
        relative = str(path.relative_to(outer.destination))
        if Path(inner.source).is_dir():
            os.close(subpath.open_inside(Path(outer.source), relative))
        else:
            subpath.make_file_inside(Path(outer.source), relative)
