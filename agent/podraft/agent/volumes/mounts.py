"""The few system calls about mounts that Python lacks.

Invariant: nothing here follows a path that a container may change; paths
inside volumes are opened by `subpath` and passed as file descriptors.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_MS_NOSUID = 2
_MS_NODEV = 4
_MS_BIND = 4096
_MS_REC = 16384
_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8
# A mount made repeatedly is stacked on itself; stacks beyond this are not ours to remove.
_STACKED_MAX = 1000
# How the kernel writes blanks, line ends and backslashes in paths.
_ESCAPED = re.compile(rb"\\([0-7]{3})")


def mount_tmpfs(target: Path, size_bytes: int | None, mode: int, group: int | None = None) -> None:
    """Mount a tmpfs at ``target``, unless something is mounted there already."""
    if target.is_mount():
        return
    options = f"mode={mode:o}" + (f",size={size_bytes}" if size_bytes else "")
    options += f",gid={group}" if group is not None else ""
    _mount("tmpfs", target, "tmpfs", _MS_NOSUID | _MS_NODEV, options)


def bind(descriptor: int, target: Path) -> None:
    """Make the file or directory of an open descriptor appear at ``target`` as well."""
    _mount(f"/proc/self/fd/{descriptor}", target, None, _MS_BIND | _MS_REC, None)


def unmount(target: Path) -> None:
    """Unmount ``target``: now for new users, later for those who still use it."""
    if not _unmount(target):
        raise _failure(f"unmount {target}")


def unmount_all(target: Path) -> None:
    """Remove every mount stacked at ``target``; it is no error if there is none.

    Only the kernel knows the mounts: a file's mount looks like the file, even a deleted one.
    """
    for _ in range(_STACKED_MAX):
        if not _unmount(target):
            if ctypes.get_errno() in (errno.EINVAL, errno.ENOENT):
                return
            raise _failure(f"unmount {target}")
    raise OSError(errno.EBUSY, f"more than {_STACKED_MAX} mounts at {target}")


def mounted_below(directory: Path) -> list[Path]:
    """Return the mount points at or below a directory, the deepest first."""
    prefix = str(directory.resolve())
    points = []
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        point = os.fsdecode(_ESCAPED.sub(_unescaped, line.split(b" ")[4]))
        if point == prefix or point.startswith(prefix + "/"):
            points.append(Path(point))
    return sorted(points, key=lambda point: len(point.parts), reverse=True)


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes((int(match.group(1), 8),))


def _unmount(target: Path) -> bool:
    return bool(_libc.umount2(os.fsencode(target), _MNT_DETACH | _UMOUNT_NOFOLLOW) == 0)


def _mount(source: str, target: Path, kind: str | None, flags: int, options: str | None) -> None:
    encoded = [part.encode() if part is not None else None for part in (source, kind, options)]
    result = _libc.mount(
        encoded[0], os.fsencode(target), encoded[1], ctypes.c_ulong(flags), encoded[2]
    )
    if result != 0:
        raise _failure(f"mount {target}")


def _failure(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"cannot {what}: {os.strerror(number)}")
