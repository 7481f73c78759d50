"""Files and directories that only their owner may use.

Owns: how they are made, and which are refused.  Invariants: a file appears under its name whole and
durable, or not at all; nobody can have put a file or a link in the place of the unfinished one,
nor see it.  The umask decides nothing.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path


class UnsafeDirectoryError(Exception):
    """Others could put their files in the place of ours; the message says what to do."""


def make_private_directory(path: Path) -> None:
    """Make ``path``, for its owner only, if it is absent; those above it are readable for all.

    Raises:
        UnsafeDirectoryError: It is somebody else's, or others can write into it.
        OSError: It cannot be made.
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
    """Refuse a directory of somebody else, or into which others can write.

    Raises:
        UnsafeDirectoryError: It is one.
        OSError: It is not there, or is none.
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
    """Replace ``path`` atomically by a file of mode 0600; on return it is durable, if it shall be.

    Raises:
        OSError: It cannot be written; ``path`` is as it was.
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
            # The umask can only have taken bits away; some take away the owner's.
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
    """Make the names in ``directory`` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
