"""Forced recovery: making a group of one from the last member of a group without a majority.

Owns: what is kept (everything in the member's log, committed or not: every acknowledged write was
committed, and it can no longer be told which entries were), and the order of writing.

    apply the rest of the log -> ``member.json``: a new number and incarnation
    -> one frame of the log: a new membership, behind all earlier entries

Invariants: to the new group the old members, including this one's old number, are removed: none
of them comes back as a member.  After a crash in the middle the member does not start to serve, and
repeating the command finishes the recovery.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from podraft.server.raft.entries import Entry, EntryKind, HardState, Membership, SnapshotMark
from podraft.server.raft.log import RaftLog
from podraft.server.replication.core.roster import Roster, decode_roster
from podraft.server.replication.log.records import encode_base, encode_hard_state
from podraft.server.replication.opening import member_identity
from podraft.server.replication.opening.member_identity import MemberIdentity, new_incarnation
from podraft.server.replication.opening.member_recovery import RecoveredMember, recover_member
from podraft.server.state.commands import decode_command
from podraft.server.store.applied.applying import apply_transaction
from podraft.server.store.directory import StoreOpenError
from podraft.server.store.history.history_file import HistoryBatch
from podraft.server.store.options import StoreOptions


@dataclass(frozen=True, slots=True)
class Survivor:
    """The member that is left: its state of ``revision``, which is the log up to ``index``.

    ``unsure``: the number of entries at the end that this member does not know to be committed.
    ``others``: the names of the members that will no longer belong to the group.
    """

    name: str
    revision: int
    index: int
    term: int
    unsure: int
    others: tuple[str, ...]


def survey(directory: Path, options: StoreOptions) -> Survivor:
    """Return what ``recover_alone`` would make of ``directory``, without changing it.

    Raises:
        StoreOpenError: It does not belong to a member, is in use, or is damaged.
    """
    identity = _identity(directory)
    member = _open(directory, identity, options)
    try:
        applied, log = _applied(member)
        return _survivor(identity, member, applied, log)
    finally:
        _close(member)


def recover_alone(directory: Path, options: StoreOptions) -> Survivor:
    """Make ``directory`` the only member of its group.

    Raises:
        StoreOpenError: It does not belong to a member, is in use, or is damaged; it is unchanged.
        OSError: The disk failed; try again.
    """
    identity = _identity(directory)
    member = _open(directory, identity, options)
    try:
        batches, log = _applied(member)
        survivor = _survivor(identity, member, batches, log)
        if batches:
            member.applied.history.append(batches)
        number = secrets.randbits(62) + 1
        alone = replace(identity, id=number, incarnation=new_incarnation(), known=(), joined=False)
        alone = replace(alone, known=(alone.peer,))
        member_identity.replace(directory, alone)
        old = _roster(identity, log)
        gone = dict.fromkeys((*old.removed, *(peer.id for peer in old.members), identity.id))
        roster = Roster.of((alone.peer,), gone)
        membership = Membership.of((number,), (), roster.encode())
        mark = SnapshotMark(survivor.index, log.last_term, membership)
        state = HardState(max(member.restored.hard_state.term, log.last_term) + 1)
        member.storage.append_now((encode_hard_state(state), encode_base(mark)))
        return survivor
    finally:
        _close(member)


def _identity(directory: Path) -> MemberIdentity:
    identity = member_identity.load(directory)
    if identity is None:
        raise StoreOpenError(f"{directory} is not that of a group's member")
    if not (directory / "raft").exists():
        raise StoreOpenError(f"{directory} has not got anything of its group yet")
    return identity


def _open(directory: Path, identity: MemberIdentity, options: StoreOptions) -> RecoveredMember:
    return recover_member(directory, identity.cluster_id, Membership.of(()), options)


def _close(member: RecoveredMember) -> None:
    member.applied.wal.close()
    member.applied.history.close()
    member.applied.lock.release()


def _applied(member: RecoveredMember) -> tuple[list[HistoryBatch], RaftLog]:
    """Apply the whole log to memory; return what the history file lacks, and the log."""
    restored = member.restored
    log = RaftLog(restored.mark, restored.entries, restored.applied)
    lacking = [entry for entry in restored.entries if entry.index > restored.applied]
    return [_apply(member, entry) for entry in lacking], log


def _apply(member: RecoveredMember, entry: Entry) -> HistoryBatch:
    keyspace = member.applied.keyspace
    if entry.kind is not EntryKind.COMMAND:
        return HistoryBatch(entry.index, keyspace.revision, 0, (), digest=keyspace.digest)
    command = decode_command(entry.payload)
    transaction, time_ms = command.transaction, command.time_ms
    return apply_transaction(keyspace, member.applied.recent, entry.index, transaction, time_ms)[1]


def _survivor(
    identity: MemberIdentity,
    member: RecoveredMember,
    lacking: Sequence[HistoryBatch],
    log: RaftLog,
) -> Survivor:
    others = [peer.name for peer in _roster(identity, log).members if peer.name != identity.name]
    return Survivor(
        name=identity.name,
        revision=member.applied.keyspace.revision,
        index=log.last_index,
        term=log.last_term,
        unsure=len(lacking),
        others=tuple(sorted(others)),
    )


def _roster(identity: MemberIdentity, log: RaftLog) -> Roster:
    return decode_roster(log.membership.context).completed(identity.known)
