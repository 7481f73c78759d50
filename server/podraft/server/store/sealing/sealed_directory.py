"""A data directory's keys, and the way of an older directory to where everything is sealed.

Owns: which key ring a directory has; the rewriting of a history file of layout 1, whose values are
in the clear, into one of layout 2.

    new file beside the old one: all its versions, sealed -> durable -> renamed over it

Invariants: a crash at any point leaves a directory that the next start finishes; the old file
leaves only when the new one is durable.  Where everything was sealed once, a file that is not
sealed is refused: anyone could have written it.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, Final

import lmdb

from podraft.server.encryption.key_encryption import EncryptionError
from podraft.server.encryption.key_file import beside
from podraft.server.encryption.key_ring import RING_FILE, KeyRing
from podraft.server.encryption.sealing import Sealer
from podraft.server.store.directory import StoreOpenError, sync_directory
from podraft.server.store.history import stored_requests
from podraft.server.store.history.history_file import (
    DIGEST_NOTE,
    HISTORY_FILE,
    LAYOUT_VERSION,
    open_environment,
    sealed_digest,
)
from podraft.server.store.history.stored_requests import StoredRequests
from podraft.server.store.history.versions import Versions, from_unsealed
from podraft.server.store.options import StoreOptions

_LOG = logging.getLogger(__name__)

_UNSEALED_LAYOUT: Final = 1
_COPIED_AT_ONCE: Final = 10_000
_UNSEALED_MAP_BYTES: Final = 64 * 1024 * 1024


def open_keys(directory: Path, options: StoreOptions) -> KeyRing:
    """Return the keys of ``directory``, which is locked; they are made if it has none.

    Afterwards its history file, if there is one, is sealed.  Its logs follow when they are opened.

    Raises:
        StoreOpenError: The keys are missing or not safe, or the directory is not what it was.
    """
    path = directory / RING_FILE
    history = directory / HISTORY_FILE
    keys = options.keys or beside(directory)
    for leftover in directory.glob(f".{RING_FILE}.*.tmp"):
        leftover.unlink()
    try:
        ring = KeyRing.open(path, keys)
        layout = _layout(history)
        if ring is None:
            if layout not in (0, _UNSEALED_LAYOUT):
                raise StoreOpenError(
                    f"{path} is missing: without the data keys in it {history} cannot be read; "
                    "bring it back from where it was, or restore a backup"
                )
            logs = any((directory / name).exists() for name in ("wal", "raft"))
            ring = KeyRing.create(path, keys, sealed=not layout and not logs)
    except EncryptionError as error:
        raise StoreOpenError(str(error)) from None
    if layout == _UNSEALED_LAYOUT:
        if ring.sealed:
            raise StoreOpenError(
                f"{history} is not sealed, though {directory} is: it is not what was written here"
            )
        _seal_history(history, ring.sealer, options.history_map_bytes)
        # What came of a snapshot is not needed, and not sealed.
        shutil.rmtree(directory / "snapshots", ignore_errors=True)
    return ring


def _layout(path: Path) -> int:
    """Return the layout of the history file at ``path``; 0: there is none yet."""
    if not path.exists():
        return 0
    environment = open_environment(path, _UNSEALED_MAP_BYTES)
    try:
        meta = environment.open_db(b"meta")
        with environment.begin(db=meta) as transaction:
            return int.from_bytes(transaction.get(b"layout") or b"", "big")
    finally:
        environment.close()


def _seal_history(path: Path, sealer: Sealer, map_bytes: int) -> None:
    unfinished = path.with_name(f"{path.name}.sealing")
    _remove(unfinished)
    _LOG.warning("%s: its values are sealed now, once", path)
    source = open_environment(path, map_bytes)
    # Room for what it adds to the smallest values, too.
    target = open_environment(unfinished, max(map_bytes, 4 * path.stat().st_size))
    try:
        _copy_sealed(source, target, sealer)
        target.sync(True)
    except lmdb.Error as error:
        raise StoreOpenError(f"{path} cannot be sealed: {error}") from None
    finally:
        source.close()
        target.close()
    unfinished.replace(path)
    sync_directory(path.parent)
    _remove(unfinished)


def _copy_sealed(source: Any, target: Any, sealer: Sealer) -> None:
    versions = Versions(sealer)

    requests = StoredRequests(sealer)

    def version(name: bytes, stored: bytes) -> tuple[bytes, bytes]:
        return versions.stored(from_unsealed(name, stored))

    def request(name: bytes, stored: bytes) -> tuple[bytes, bytes]:
        return requests.stored(stored_requests.from_unsealed(name, stored))

    def meta(name: bytes, stored: bytes) -> tuple[bytes, bytes]:
        if name == b"layout":
            return name, LAYOUT_VERSION.to_bytes(8, "big")
        if name == DIGEST_NOTE:
            return name, sealed_digest(sealer, int.from_bytes(stored, "big"))
        return name, stored

    def same(name: bytes, stored: bytes) -> tuple[bytes, bytes]:
        return name, stored

    _copy(source, target, b"history", version)
    _copy(source, target, b"revisions", same)
    _copy(source, target, b"requests", request)
    _copy(source, target, b"meta", meta)


def _copy(
    source: Any, target: Any, name: bytes, entry: Callable[[bytes, bytes], tuple[bytes, bytes]]
) -> None:
    """Copy one database in order, each of its entries as ``entry`` makes it."""
    from_database, to_database = source.open_db(name), target.open_db(name)
    with source.begin(db=from_database) as reading, reading.cursor() as cursor:
        items = iter(cursor)
        while chunk := [entry(*item) for item in islice(items, _COPIED_AT_ONCE)]:
            with target.begin(write=True, db=to_database) as writing, writing.cursor() as put:
                put.putmulti(chunk, append=True)


def _remove(path: Path) -> None:
    for name in (path.name, f"{path.name}-lock"):
        path.with_name(name).unlink(missing_ok=True)
