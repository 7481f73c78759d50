"""A data directory's keys, and the upgrade of an older directory until everything is sealed.

Owns: which key ring a directory has; the rewriting of a history file of layout 1, whose values are
in the clear, into one of layout 2, in which they are sealed.

Invariants: a crash at any point leaves a directory whose upgrade the next start finishes.  Once
everything has been sealed, an unsealed file is refused: anyone could have written it.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any, Final

from podraft.server.encryption.key_encryption import EncryptionError
from podraft.server.encryption.key_file import beside
from podraft.server.encryption.key_ring import RING_FILE, KeyRing
from podraft.server.encryption.sealing import Sealer
from podraft.server.store.directory import StoreOpenError
from podraft.server.store.history import stored_requests
from podraft.server.store.history.environment import HISTORY_FILE
from podraft.server.store.history.history_file import DIGEST_NOTE, sealed_digest
from podraft.server.store.history.regrouping import UNGROUPED_LAYOUT, regroup
from podraft.server.store.history.rewriting import Entry, entries, layout_of, put_all, rewrite
from podraft.server.store.history.stored_requests import StoredRequests
from podraft.server.store.history.versions import Versions, from_unsealed
from podraft.server.store.options import StoreOptions

_LOG = logging.getLogger(__name__)

_UNSEALED_LAYOUT: Final = 1


def open_keys(directory: Path, options: StoreOptions) -> KeyRing:
    """Return the keys of ``directory``, which is locked; make them if it has none.

    Afterwards its history file, if there is one, is sealed and has the newest layout.  Its logs
    are sealed when they are opened.

    Raises:
        StoreOpenError: The keys are missing or not safe, or the history file was replaced by an
            unsealed one.
    """
    path = directory / RING_FILE
    history = directory / HISTORY_FILE
    keys = options.keys or beside(directory)
    for leftover in directory.glob(f".{RING_FILE}.*.tmp"):
        leftover.unlink()
    try:
        ring = KeyRing.open(path, keys)
        layout = layout_of(history)
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
        # Files of an unfinished snapshot are not needed, and not sealed.
        shutil.rmtree(directory / "snapshots", ignore_errors=True)
    regroup(history, ring.sealer, options.history_map_bytes)
    return ring


def _seal_history(path: Path, sealer: Sealer, map_bytes: int) -> None:
    _LOG.warning("%s: its values are sealed now, once", path)
    versions, requests = Versions(sealer), StoredRequests(sealer)

    def version(entry: Entry) -> Entry:
        return versions.stored(from_unsealed(*entry))

    def request(entry: Entry) -> Entry:
        return requests.stored(stored_requests.from_unsealed(*entry))

    def meta(entry: Entry) -> Entry:
        name, stored = entry
        if name == b"layout":
            return name, UNGROUPED_LAYOUT.to_bytes(8, "big")
        if name == DIGEST_NOTE:
            return name, sealed_digest(sealer, int.from_bytes(stored, "big"))
        return entry

    def copy(source: Any, target: Any) -> None:
        put_all(target, b"history", map(version, entries(source, b"history")))
        put_all(target, b"revisions", entries(source, b"revisions"))
        put_all(target, b"requests", map(request, entries(source, b"requests")))
        put_all(target, b"meta", map(meta, entries(source, b"meta")))

    rewrite(path, map_bytes, copy)
