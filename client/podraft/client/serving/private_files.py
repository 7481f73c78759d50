"""Files and directories that only their owner may use.

Owns: how they are made, and which are refused.  Invariants: a file appears under its name whole and
durable, or not at all; nobody else can replace the unfinished file with a file or link of their
own, nor read it; the umask has no influence.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path


class UnsafeDirectoryError(Exception):
    """A directory in which others could replace our files; the message says what to do."""


def make_private_directory(path: Path) -> None:
    """Make ``path``, for its owner only, if it is absent; its parents are readable by all.

    Raises:
        UnsafeDirectoryError: The directory is somebody else's, or others can write into it.
        OSError: The directory cannot be made.
    """
    for above in reversed(path.parents):
        if not above.exists():
            above.mkdir(mode=0o755, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
        path.chmod(0o700)
    except FileExistsError:
        check_private_directory(path)


def check_private_directory(path: Path) -> None:
    """Refuse a directory that somebody else owns or others can write into.

    Raises:
        UnsafeDirectoryError: The directory is such a one.
        OSError: ``path`` does not exist, or is not a directory.
    """
    status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(20, "Not a directory", str(path))
    user = os.geteuid()
    if status.st_uid != user:
        raise UnsafeDirectoryError(
            f"{path} belongs to user {status.st_uid}, not to this process's user {user}: "
            f"use chown {user} {path}"
        )
    if status.st_mode & 0o022:
        raise UnsafeDirectoryError(
            f"{path} has the mode {stat.S_IMODE(status.st_mode):04o}, so others can replace what "
            f"is in it: use chmod 700 {path}"
        )


def write_private(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace ``path`` atomically with a file of mode 0600; with ``durable``, sync it to disk.

    Raises:
        OSError: The file cannot be written; ``path`` is unchanged.
    """
    temporary = create_beside(path, content, durable=durable)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_directory(path.parent)


def create_beside(path: Path, content: bytes, *, durable: bool = True) -> Path:
    """Return a new file of mode 0600 with ``content`` in the directory of ``path``."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # The umask can only remove bits, but some umasks remove the owner's.
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def sync_directory(directory: Path) -> None:
    """Make the file names in ``directory`` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
