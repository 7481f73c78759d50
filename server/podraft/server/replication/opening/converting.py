"""The conversion, in place, of a single server into the first member of a group.

Owns: the steps from the log of a single server (``wal``) to that of a group's member (``raft``):

    replay ``wal`` into the history file -> write ``raft.new``: it begins where the history ends
    -> rename it to ``raft`` -> remove ``wal``

Invariants: the state, its revisions and its history stay as they are; only the log is replaced.
Each step can be repeated: a crash at any point leaves a directory whose conversion can be finished,
and nothing is removed before its replacement is durable.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Final

from podraft.server.raft.entries import HardState, Membership, SnapshotMark
from podraft.server.replication.log.member_storage import MemberStorage
from podraft.server.replication.log.records import encode_base, encode_hard_state
from podraft.server.replication.opening.member_identity import new_incarnation
from podraft.server.store.applied.recovery import Recovered, recover
from podraft.server.store.directory import DirectoryLock, StoreOpenError, sync_directory
from podraft.server.store.history.environment import HISTORY_FILE
from podraft.server.store.history.history_file import History, HistoryBatch
from podraft.server.store.log.wal import Wal
from podraft.server.store.options import StoreOptions
from podraft.server.store.sealing.sealed_directory import open_keys

_LOG = logging.getLogger(__name__)

# The term of all entries from before there were terms.
_FIRST_TERM: Final = 1


def cluster_of(directory: Path, options: StoreOptions) -> bytes:
    """Return the cluster id of a single server, a new one if ``directory`` is empty."""
    path = directory / HISTORY_FILE
    if not path.exists():
        return new_incarnation()
    lock = DirectoryLock(directory)
    try:
        ring = open_keys(directory, options)
        history = History(path, options.history_map_bytes, ring.sealer)
        try:
            return history.cluster_id(new_incarnation)
        finally:
            history.close()
    finally:
        lock.release()


def check_founder(directory: Path) -> None:
    """Check that a server that founds a group with others has no state of its own.

    Raises:
        StoreOpenError: It has a state, which the others would not get.
    """
    alone = (directory / "wal").exists() or _has_state(directory)
    if alone and not (directory / "raft").exists():
        raise StoreOpenError(
            f"{directory} holds the state of a server alone: with --member-address, and without "
            "--members, it becomes the first member of a group, which others can join"
        )


def convert(directory: Path, members: Membership, options: StoreOptions) -> None:
    """Finish the steps that make ``directory`` that of a group of ``members``.

    A restored backup, whose state came without a log, is converted in the same way.

    Raises:
        StoreOpenError: It is in use, damaged, or cannot be written.
    """
    old = directory / "wal"
    if not old.exists() and ((directory / "raft").exists() or not _has_state(directory)):
        return
    try:
        recovered = recover(directory, options)
        try:
            if not (directory / "raft").exists():
                _write_log(directory, recovered, members, options)
        finally:
            recovered.wal.close()
            recovered.history.close()
            recovered.lock.release()
        shutil.rmtree(old)
        sync_directory(directory)
    except OSError as error:
        raise StoreOpenError(f"data directory {directory}: {error}") from error


def _has_state(directory: Path) -> bool:
    return (directory / HISTORY_FILE).exists()


def _write_log(
    directory: Path, recovered: Recovered, members: Membership, options: StoreOptions
) -> None:
    history = recovered.history
    if not history.applied_index:
        # A joining member gets the state only if the log begins behind it.
        history.append([HistoryBatch(1, history.applied_revision, 0, ())])
    index = history.applied_index
    unfinished = directory / "raft.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    wal = Wal.open(unfinished, recovered.cluster_id, options.segment_bytes, recovered.ring.sealer)
    storage = MemberStorage(wal)
    storage.load()
    mark = SnapshotMark(index, _FIRST_TERM, members)
    storage.append_now((encode_hard_state(HardState(_FIRST_TERM)), encode_base(mark)))
    wal.close()
    sync_directory(unfinished)
    unfinished.rename(directory / "raft")
    sync_directory(directory)
    _LOG.warning(
        "%s is a group's first member now, at revision %d", directory, recovered.keyspace.revision
    )
