"""Opening a data directory and recovering its state from disk.

Owns: the order of recovery: lock, keys, history file, log from the history's applied index on.  A
group's member opens its directory the same way, but reads its log in a way of its own.

Invariant: the recovered keyspace is what every acknowledged transaction made of it.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from podraft.server.encryption.key_ring import KeyRing
from podraft.server.encryption.sealing import Sealer
from podraft.server.state.commands import CommandFormatError, decode_command
from podraft.server.state.keyspace import Keyspace
from podraft.server.state.recent import RecentEvents
from podraft.server.store.applied.applying import apply_transaction
from podraft.server.store.directory import DirectoryLock, StoreOpenError
from podraft.server.store.history.environment import HISTORY_FILE
from podraft.server.store.history.history_file import History, HistoryBatch
from podraft.server.store.history.versions import HistoryFormatError
from podraft.server.store.log.frames import WalCorruptError
from podraft.server.store.log.wal import Wal
from podraft.server.store.options import StoreOptions
from podraft.server.store.sealing.sealed_directory import open_keys

_LOG = logging.getLogger(__name__)
_REPLAY_CHUNK = 2_000

# The name of the note in a history file that states why it must not be served.
CONDEMNED_NOTE = b"condemned"

ResultT = TypeVar("ResultT")


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


@dataclass(frozen=True, slots=True)
class OpenedDirectory:
    """A locked data directory, its keys, and its state without what its log has beyond that."""

    path: Path
    options: StoreOptions
    lock: DirectoryLock
    ring: KeyRing
    history: History
    keyspace: Keyspace

    def with_log(self, name: str, cluster_id: bytes) -> Recovered:
        """Open, without reading it, the log in the folder ``name``."""
        options, revision = self.options, self.keyspace.revision
        wal = Wal.open(
            self.path / name,
            cluster_id,
            options.segment_bytes,
            self.ring.sealer,
            accept_unsealed=not self.ring.sealed,
        )
        recent = RecentEvents(revision, options.recent_events, options.recent_bytes)
        return Recovered(self.lock, self.history, wal, self.keyspace, recent, cluster_id, self.ring)


def open_directory(
    path: Path, options: StoreOptions, go_on: Callable[[OpenedDirectory], ResultT]
) -> ResultT:
    """Lock and open ``path``, made if absent; return what ``go_on`` makes of it.

    If anything fails, the directory is closed and unlocked again.

    Raises:
        StoreInUseError: Another process has it open.
        HistoryFormatError: The history file has another layout, or is damaged.
        StoreOpenError: The directory cannot be read or written (base of the above).
    """
    try:
        lock = DirectoryLock(path)
        try:
            ring = open_keys(path, options)
            file = path / HISTORY_FILE
            with _nothing_is_garbage():
                keyspace = load_keyspace(file, options, ring.sealer)
            history = History(file, options.history_map_bytes, ring.sealer)
            try:
                return go_on(OpenedDirectory(path, options, lock, ring, history, keyspace))
            except BaseException:
                history.close()
                raise
        except BaseException:
            lock.release()
            raise
    except OSError as error:
        raise StoreOpenError(f"data directory {path}: {error}") from error


def recover(directory: Path, options: StoreOptions) -> Recovered:
    """Open the ``directory`` of a single server; blocks, so it is called in a thread.

    Raises:
        WalCorruptError: The log is damaged where it was durable.
        StoreOpenError: As in ``open_directory``.
    """
    return open_directory(directory, options, _recovered)


def _recovered(opened: OpenedDirectory) -> Recovered:
    recovered = opened.with_log("wal", opened.history.cluster_id(lambda: os.urandom(16)))
    _replay(recovered)
    if not (opened.path / "raft").exists():
        # A group's log is sealed when its member opens it.
        opened.ring.all_sealed()
    return recovered


def load_keyspace(path: Path, options: StoreOptions, sealer: Sealer) -> Keyspace:
    """Return the newest state; closing the file afterwards unmaps the pages read, which are all.

    Raises:
        HistoryFormatError: The file does not hold the state that was written.
    """
    history = History(path, options.history_map_bytes, sealer)
    try:
        condemned = history.note(CONDEMNED_NOTE)
        if condemned is not None and not options.accept_damage:
            raise HistoryFormatError(f"{path}: {condemned.decode()}")
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
def _nothing_is_garbage() -> Iterator[None]:
    """Keep the garbage collector from ever scanning the objects made meanwhile: a whole state."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if enabled:
            gc.enable()


def _replay(recovered: Recovered) -> None:
    """Apply what the log has beyond the history file."""
    history, wal = recovered.history, recovered.wal
    keyspace, recent = recovered.keyspace, recovered.recent
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
