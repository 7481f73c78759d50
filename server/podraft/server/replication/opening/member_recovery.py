"""Opening the data directory of a group's member.

Owns: the order of recovery: lock, keys, history file, log; and how a new member begins.

Invariant: what the core is given is what the member has said to others, and the state machine is at
an index that the log holds.  The entries behind that index wait in the log until a leader says
that they are committed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from podraft.server.raft.core import Restored
from podraft.server.raft.entries import Membership, SnapshotMark
from podraft.server.replication.log.member_storage import MemberStorage
from podraft.server.replication.log.records import (
    Folded,
    RecordFormatError,
    decode_base,
    encode_base,
)
from podraft.server.state.recent import RecentEvents
from podraft.server.store.directory import DirectoryLock, StoreOpenError
from podraft.server.store.history.history_file import HISTORY_FILE, History
from podraft.server.store.log.frames import WalCorruptError
from podraft.server.store.log.wal import Wal
from podraft.server.store.options import StoreOptions
from podraft.server.store.recovery import Recovered, load_keyspace
from podraft.server.store.sealing.sealed_directory import open_keys

_LOG = logging.getLogger(__name__)

# Under this name a history file that came as a snapshot holds its mark.
SNAPSHOT_NOTE = b"snapshot_mark"


@dataclass(frozen=True, slots=True)
class RecoveredMember:
    """An open data directory, the applied state in it, and what the core begins with."""

    applied: Recovered
    storage: MemberStorage
    restored: Restored


def recover_member(
    directory: Path, cluster_id: bytes, founders: Membership, options: StoreOptions
) -> RecoveredMember:
    """Open ``directory``; blocks, so it is called in a thread.

    A new member begins with ``founders``: all voters of a new group, nobody if it joins one.

    Raises:
        StoreOpenError: It is in use, damaged, another cluster's, or cannot be read and written.
    """
    try:
        lock = DirectoryLock(directory)
        try:
            return _open(directory, lock, cluster_id, founders, options)
        except BaseException:
            lock.release()
            raise
    except OSError as error:
        raise StoreOpenError(f"data directory {directory}: {error}") from error


def _open(
    directory: Path,
    lock: DirectoryLock,
    cluster_id: bytes,
    founders: Membership,
    options: StoreOptions,
) -> RecoveredMember:
    if (directory / "wal").exists():
        raise StoreOpenError(f"{directory} holds the store of a server alone")
    ring = open_keys(directory, options)
    path = directory / HISTORY_FILE
    keyspace = load_keyspace(path, options, ring.sealer)
    history = History(path, options.history_map_bytes, ring.sealer)
    try:
        found = history.cluster_id(lambda: cluster_id)
        if found != cluster_id:
            raise StoreOpenError(
                f"{directory} belongs to cluster {found.hex()}, not to {cluster_id.hex()}"
            )
        wal = Wal.open(
            directory / "raft",
            cluster_id,
            options.segment_bytes,
            ring.sealer,
            accept_unsealed=not ring.sealed,
        )
        storage = MemberStorage(wal)
        restored = _load_log(storage, wal, founders, history)
        ring.all_sealed()
    except BaseException:
        history.close()
        raise
    recent = RecentEvents(keyspace.revision, options.recent_events, options.recent_bytes)
    applied = Recovered(lock, history, wal, keyspace, recent, cluster_id, ring)
    return RecoveredMember(applied, storage, restored)


def _load_log(storage: MemberStorage, wal: Wal, founders: Membership, history: History) -> Restored:
    folded = storage.load()
    if storage.repaired_bytes:
        _LOG.warning("%s: the last batch is not whole (power loss or kill): cut off", wal.directory)
    installed = history.note(SNAPSHOT_NOTE)
    if folded.mark is None and not folded.entries:
        if history.applied_index or installed is not None:
            # With it the votes are gone that this member has given.
            raise StoreOpenError(f"{wal.directory}: the log is missing, but its effects are there")
        folded.mark = SnapshotMark(0, 0, founders)
        storage.append_now((encode_base(folded.mark),))
    if installed is not None:
        mark = decode_base(installed)
        if folded.mark is None or mark.index > folded.mark.index:
            # The state was replaced by a snapshot; the log was to be told next.
            folded.rebase(mark)
            storage.append_now((installed,))
    return _restored(folded, wal, history.applied_index)


def _restored(folded: Folded, wal: Wal, applied_index: int) -> Restored:
    try:
        mark = folded.finish()
    except RecordFormatError as error:
        raise WalCorruptError(wal.directory, 0, str(error)) from error
    last_index = folded.entries[-1].index if folded.entries else mark.index
    if not mark.index <= applied_index <= last_index:
        raise WalCorruptError(
            wal.directory,
            0,
            f"the log goes from {mark.index} to {last_index}, the state is at {applied_index}",
        )
    return Restored(mark, folded.hard_state, tuple(folded.entries), applied_index)
