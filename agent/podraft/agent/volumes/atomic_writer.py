"""A directory whose files change all at once: Kubernetes' ``..data`` symlink.

Layout: ``<volume>/key -> ..data/key``, ``<volume>/..data -> ..<digest>.<random>``.

Invariant: a reader sees either all files of the old payload or all of the new one: a single
rename of the ``..data`` link makes the change. No file is ever read back: the name of the
directory says what is in it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

from podraft.agent.volumes.core.payload import Payload

_DATA = "..data"
_DIGEST_CHARACTERS = 32


def write(volume: Path, payload: Payload, group: int | None = None) -> bool:
    """Make ``volume`` show exactly ``payload``; return whether anything changed.

    If ``group`` is set (fsGroup), it owns the files and may read them.
    """
    current = volume / _DATA
    previous = current.readlink().name if current.is_symlink() else None
    prefix = f"..{_digest(payload, group)}."
    if previous is not None and previous.startswith(prefix):
        _link_names(volume, payload)  # A crash may have come in between.
        return False
    fresh = Path(tempfile.mkdtemp(prefix=prefix, dir=volume))
    for path, file in payload.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(_mode(file.mode, group))
        if group is not None:
            os.chown(target, -1, group)
    # Not before: a file has its mode only after it has been written.
    fresh.chmod(0o755)
    swap = volume / "..data_tmp"
    swap.unlink(missing_ok=True)
    swap.symlink_to(fresh.name)
    swap.replace(current)
    _link_names(volume, payload)
    _remove_others(volume, keep=fresh.name, previous=previous)
    return True


def _mode(mode: int, group: int | None) -> int:
    return mode if group is None else mode | 0o040


def _digest(payload: Payload, group: int | None) -> str:
    digest = hashlib.sha256(repr(group).encode())
    for path, file in sorted(payload.items()):
        digest.update(f"\n{path!r} {file.mode} {len(file.content)}\n".encode())
        digest.update(file.content)
    return digest.hexdigest()[:_DIGEST_CHARACTERS]


def _link_names(volume: Path, payload: Payload) -> None:
    names = {PurePosixPath(path).parts[0] for path in payload}
    for name in names:
        link = volume / name
        if not link.is_symlink():
            link.symlink_to(f"{_DATA}/{name}")
    for entry in volume.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()


def _remove_others(volume: Path, keep: str, previous: str | None) -> None:
    """Remove earlier payloads, including those that a crash left half-written."""
    for entry in volume.iterdir():
        stale = entry.name.startswith("..") and entry.name not in (_DATA, keep)
        if stale and entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=entry.name != previous)
