"""Opening a path inside a volume so that no link in it can lead outside.

The kernel does the checking (``openat2`` with RESOLVE_BENEATH): a container that
swaps a directory for a link while we look cannot win the race.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from pathlib import Path, PurePosixPath

from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.podman.core.expansion import encoded
from podraft.api.violations import shown

_libc = ctypes.CDLL(None, use_errno=True)
_SYS_OPENAT2 = 437  # The same on every architecture.
_RESOLVE_BENEATH = 0x08
_RESOLVE_NO_MAGICLINKS = 0x02
_O_PATH = os.O_PATH
_PATH_BYTES_MAX = 4095


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_inside(volume: Path, subpath: str, *, make: bool = True) -> int:
    """Return a descriptor of ``volume/subpath``; missing directories are made if ``make``.

    The new directories get the volume's mode, so that a container that is not root may write
    there, too.

    Raises:
        ConfigurationError: The path leads out of the volume, or is not a valid path.
        OSError: The path cannot be opened.
    """
    length = len(encoded(subpath, f"subPath {shown(subpath)}"))
    if length > _PATH_BYTES_MAX:
        raise ConfigurationError(
            f"subPath is {length} bytes long, at most {_PATH_BYTES_MAX} can be"
        )
    path = PurePosixPath(subpath)
    if path.is_absolute() or ".." in path.parts:
        raise ConfigurationError(f'subPath {shown(subpath)} must be relative and without ".."')
    root = os.open(volume, os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not make:
            return _open_beneath(root, path, subpath)
        for count in range(1, len(path.parts)):
            os.close(_open_or_make(root, PurePosixPath(*path.parts[:count]), subpath))
        return _open_or_make(root, path, subpath)
    finally:
        os.close(root)


def make_file_inside(volume: Path, inside: str) -> None:
    """Make an empty file, and the directories above it, unless something is there.

    Raises:
        ConfigurationError: The path leads out of the volume, or is not a valid path.
        OSError: The file cannot be made.
    """
    path = PurePosixPath(inside)
    parent = open_inside(volume, str(path.parent))
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path.name, flags, 0o644, dir_fd=parent))
    finally:
        os.close(parent)


def _open_or_make(root: int, path: PurePosixPath, inside: str) -> int:
    try:
        return _open_beneath(root, path, inside)
    except FileNotFoundError:
        parent = _open_beneath(root, path.parent, inside)
        try:
            with contextlib.suppress(FileExistsError):
                _make(path.name, parent, stat.S_IMODE(os.fstat(root).st_mode))
        finally:
            os.close(parent)
        return _open_beneath(root, path, inside)


def _make(name: str, parent: int, mode: int) -> None:
    """Make a directory with exactly the given mode, that of its volume."""
    os.mkdir(name, 0o700, dir_fd=parent)
    made = os.open(name, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.fchmod(made, mode)
    finally:
        os.close(made)


def _open_beneath(root: int, path: PurePosixPath, inside: str) -> int:
    how = _OpenHow(_O_PATH | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    descriptor = int(
        _libc.syscall(
            _SYS_OPENAT2, root, os.fsencode(str(path)), ctypes.byref(how), ctypes.sizeof(how)
        )
    )
    if descriptor >= 0:
        return descriptor
    number = ctypes.get_errno()
    if number in (errno.EXDEV, errno.ELOOP):
        raise ConfigurationError(f"subPath {shown(inside)} leads out of its volume")
    raise OSError(number, os.strerror(number), inside)
