"""The few system calls about mounts that Python lacks.

Invariant: nothing here follows a path that a container may change; paths
inside volumes are opened by `subpath` and passed as file descriptors.
"""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_MS_NOSUID = 2
_MS_NODEV = 4
_MS_BIND = 4096
_MS_REC = 16384
_MNT_DETACH = 2
# How the kernel writes blanks, line ends and backslashes in paths.
_ESCAPED = re.compile(rb"\\([0-7]{3})")


def mount_tmpfs(target: Path, size_bytes: int | None, mode: int) -> None:
    """Mount memory at ``target``, unless something is mounted there already."""
    if target.is_mount():
        return
    options = f"mode={mode:o}" + (f",size={size_bytes}" if size_bytes else "")
    _mount("tmpfs", target, "tmpfs", _MS_NOSUID | _MS_NODEV, options)


def bind(descriptor: int, target: Path) -> None:
    """Make what an open descriptor refers to appear at ``target`` as well."""
    _mount(f"/proc/self/fd/{descriptor}", target, None, _MS_BIND | _MS_REC, None)


def unmount(target: Path) -> None:
    """Take away what is mounted at ``target``, now for new users, later for present ones."""
    if _libc.umount2(os.fsencode(target), _MNT_DETACH) != 0:
        raise _failure(f"unmount {target}")


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
