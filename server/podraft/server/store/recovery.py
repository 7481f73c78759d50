"""Opening a data directory: what the disk says the state is.

Owns: the order of recovery: lock, keys, history file, log from the history's applied index on.

Invariant: the recovered keyspace is what every acknowledged transaction made of it.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from podraft.server.encryption.key_ring import KeyRing
from podraft.server.encryption.sealing import Sealer
from podraft.server.state.commands import CommandFormatError, decode_command
from podraft.server.state.keyspace import Keyspace
from podraft.server.state.recent import RecentEvents
from podraft.server.store.applied.applying import apply_transaction
from podraft.server.store.directory import DirectoryLock, StoreOpenError
from podraft.server.store.history.history_file import HISTORY_FILE, History, HistoryBatch
from podraft.server.store.history.versions import HistoryFormatError
from podraft.server.store.log.frames import WalCorruptError
from podraft.server.store.log.wal import Wal
from podraft.server.store.options import StoreOptions
from podraft.server.store.sealing.sealed_directory import open_keys

_LOG = logging.getLogger(__name__)
_REPLAY_CHUNK = 2_000

# Under this name a history file says why nobody must serve it.
CONDEMNED_NOTE = b"condemned"


@dataclass(frozen=True, slots=True)
class Recovered:
    """An open data directory and the state in it."""

    lock: DirectoryLock
    history: History
    wal: Wal
    keyspace: Keyspace
    recent: RecentEvents
    cluster_id: bytes
    ring: KeyRing


def recover(directory: Path, options: StoreOptions) -> Recovered:
    """Open ``directory``; blocks, so it is called in a thread.

    Raises:
        StoreInUseError: Another process has it open.
        WalCorruptError: The log is damaged where it was durable.
        HistoryFormatError: The history file is of another layout, or damaged.
        StoreOpenError: The directory cannot be read or written (base of the above).
    """
    try:
        return _open(directory, options)
    except OSError as error:
        raise StoreOpenError(f"data directory {directory}: {error}") from error


def _open(directory: Path, options: StoreOptions) -> Recovered:
    lock = DirectoryLock(directory)
    try:
        ring = open_keys(directory, options)
        path = directory / HISTORY_FILE
        keyspace = load_keyspace(path, options, ring.sealer)
        history = History(path, options.history_map_bytes, ring.sealer)
        try:
            recovered = _recover(directory, lock, ring, history, keyspace, options)
            if not (directory / "raft").exists():
                # A group's log is sealed when its member opens it.
                ring.all_sealed()
            return recovered
        except BaseException:
            history.close()
            raise
    except BaseException:
        lock.release()
        raise


def load_keyspace(path: Path, options: StoreOptions, sealer: Sealer) -> Keyspace:
    """Read the newest state.  Closing unmaps the pages which that touched: all of them.

    Raises:
        HistoryFormatError: It is not the state that was written.
    """
    history = History(path, options.history_map_bytes, sealer)
    try:
        condemned = history.note(CONDEMNED_NOTE)
        if condemned is not None and not options.accept_damage:
            raise HistoryFormatError(f"{path}: {condemned.decode()}")
        with _garbage_kept():
            keyspace = Keyspace(history.newest(), history.applied_revision, history.requests())
        expected = history.digest
    finally:
        history.close()
    if expected not in (None, keyspace.digest):
        problem = (
            f"{path}: the state at log index {history.applied_index}, revision "
            f"{keyspace.revision}, has the digest {keyspace.digest:016x}; what was applied had "
            f"{expected:016x}: the file has changed by itself (disk, memory or a defect)"
        )
        if not options.accept_damage:
            raise HistoryFormatError(f"{problem}. docs/failures.md says what to do")
        _LOG.error("%s. It is served all the same, as --accept-damaged-state says", problem)
    return keyspace


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Look for no garbage: of all that is made meanwhile, none is."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _recover(
    directory: Path,
    lock: DirectoryLock,
    ring: KeyRing,
    history: History,
    keyspace: Keyspace,
    options: StoreOptions,
) -> Recovered:
    cluster_id = history.cluster_id(lambda: os.urandom(16))
    recent = RecentEvents(keyspace.revision, options.recent_events, options.recent_bytes)
    wal = Wal.open(
        directory / "wal",
        cluster_id,
        options.segment_bytes,
        ring.sealer,
        accept_unsealed=not ring.sealed,
    )
    replayed: list[HistoryBatch] = []
    for entry in wal.replay(history.applied_index):
        try:
            command = decode_command(entry.payload)
        except CommandFormatError as error:
            raise WalCorruptError(wal.directory, 0, f"entry {entry.index}: {error}") from error
        transaction, time_ms = command.transaction, command.time_ms
        _, batch = apply_transaction(keyspace, recent, entry.index, transaction, time_ms)
        replayed.append(batch)
        if len(replayed) >= _REPLAY_CHUNK:
            history.append(replayed)
            replayed.clear()
    if replayed:
        history.append(replayed)
    if wal.repaired_bytes:
        _LOG.warning(
            "%s: the last batch is not whole (power loss, kill or damage): it was cut off",
            wal.directory,
        )
    if wal.tail_lost:
        _LOG.warning(
            "%s: the log ended before the state, so its last part is lost (damage?): writes that "
            "were acknowledged last may be missing; going on from revision %d",
            wal.directory,
            keyspace.revision,
        )
    return Recovered(lock, history, wal, keyspace, recent, cluster_id, ring)
