"""Opening the data directory of a group's member.

Owns: the order of recovery: lock, keys, history file, log; and the beginning of a new member.

Invariant: the core is given what the member has promised to others, and the state machine is at
an index that the log holds.  The entries behind that index wait in the log until a leader reports
them as committed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from podraft.server.raft.core import Restored
from podraft.server.raft.entries import Membership, SnapshotMark
from podraft.server.replication.log.member_storage import MemberStorage
from podraft.server.replication.log.records import (
    SNAPSHOT_NOTE,
    Folded,
    RecordFormatError,
    decode_base,
    encode_base,
)
from podraft.server.store.applied.recovery import OpenedDirectory, Recovered, open_directory
from podraft.server.store.directory import StoreOpenError
from podraft.server.store.history.history_file import History
from podraft.server.store.log.frames import WalCorruptError
from podraft.server.store.log.wal import Wal
from podraft.server.store.options import StoreOptions

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecoveredMember:
    """An open data directory, the applied state in it, and the core's initial state."""

    applied: Recovered
    storage: MemberStorage
    restored: Restored


def recover_member(
    directory: Path, cluster_id: bytes, founders: Membership, options: StoreOptions
) -> RecoveredMember:
    """Open ``directory``; blocks, so it is called in a thread.

    A new member begins with ``founders``: all voters of a new group, nobody if it joins one.

    Raises:
        StoreOpenError: It is in use, damaged, another cluster's, or cannot be read or written.
    """
    if (directory / "wal").exists():
        raise StoreOpenError(f"{directory} holds the store of a server alone")
    return open_directory(
        directory, options, lambda opened: _with_log(opened, cluster_id, founders)
    )


def _with_log(opened: OpenedDirectory, cluster_id: bytes, founders: Membership) -> RecoveredMember:
    found = opened.history.cluster_id(lambda: cluster_id)
    if found != cluster_id:
        raise StoreOpenError(
            f"{opened.path} belongs to cluster {found.hex()}, not to {cluster_id.hex()}"
        )
    applied = opened.with_log("raft", cluster_id)
    storage = MemberStorage(applied.wal)
    restored = _load_log(storage, applied.wal, founders, opened.history)
    opened.ring.all_sealed()
    return RecoveredMember(applied, storage, restored)


def _load_log(storage: MemberStorage, wal: Wal, founders: Membership, history: History) -> Restored:
    folded = storage.load()
    if storage.repaired_bytes:
        _LOG.warning("%s: the last batch is not whole (power loss or kill): cut off", wal.directory)
    installed = history.note(SNAPSHOT_NOTE)
    if folded.mark is None and not folded.entries:
        if history.applied_index or installed is not None:
            # With the log, the votes that this member has given are lost.
            raise StoreOpenError(f"{wal.directory}: the log is missing, but its effects are there")
        folded.mark = SnapshotMark(0, 0, founders)
        storage.append_now((encode_base(folded.mark),))
    if installed is not None:
        mark = decode_base(installed)
        if folded.mark is None or mark.index > folded.mark.index:
            # A snapshot has replaced the state; the log was to be changed next.
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
