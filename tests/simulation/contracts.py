"""The obligations of a core to its shell, checked at every step of every member.

Owns: the order "persist, then send": a vote, a campaign or an acknowledgement leaves only when
the disk holds what it claims; what the core believes durable is durable; the membership in force
is the newest one in the log; nothing is forgotten that the state does not hold or that somebody
needs; a change of the group is reported as done only when it is. The properties of `checks`
follow from these, or from what they protect, but seldom reveal that one of these is broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from podraft.server.raft.core import RaftCore
from podraft.server.raft.entries import (
    EntryKind,
    HardState,
    Membership,
    SnapshotMark,
    decode_membership,
)
from podraft.server.raft.events import AddLearner, Change, Describe, Promote
from podraft.server.raft.log import RaftLog
from podraft.server.raft.messages import Appended, AskVote, Message, Vote
from podraft.server.replication.core.group_changes import ChangeRefusedError
from simulation.disk import Disk
from simulation.world import SimulationFailedError


def check_sent(message: Message, disk: Disk) -> None:
    """Fail if ``message`` makes a claim about its sender's ``disk`` that is not durable there."""
    kind = type(message)
    if kind is Vote:
        assert isinstance(message, Vote)
        if message.granted and not message.pre:
            _check_vote(message, HardState(message.term, message.to), disk)
    elif kind is AskVote:
        assert isinstance(message, AskVote)
        if not message.pre:
            _check_vote(message, HardState(message.term, message.sender), disk)
    elif kind is Appended:
        assert isinstance(message, Appended)
        # In a later term the entries may have been replaced; nobody counts the answer then.
        durable = disk.start.index + len(disk.entries)
        if disk.hard_state.term <= message.term and durable < message.match:
            raise SimulationFailedError(
                f"member {message.sender} acknowledges {message.match}, {durable} is durable"
            )


def _check_vote(message: Message, claimed: HardState, disk: Disk) -> None:
    held = disk.hard_state
    if held != claimed and held.term <= claimed.term:
        raise SimulationFailedError(
            f"member {message.sender} sends a vote that is not durable: {claimed}, held: {held}"
        )


def check_durability(core: RaftCore, disk: Disk) -> None:
    """Fail if ``core`` believes something durable that its ``disk`` does not hold."""
    log, member = core._log, core._member
    index = log.persisted
    if index > max(log.start, disk.start.index):
        position = index - disk.start.index - 1
        held = disk.entries[position].term if position < len(disk.entries) else None
        if held != log.term_at(index):
            raise SimulationFailedError(
                f"member {member.id} believes entry {index} of term {log.term_at(index)} durable,"
                f" its disk has term {held} there"
            )
    if member.persisted_hard_state.term > disk.hard_state.term:
        raise SimulationFailedError(f"member {member.id} believes a term durable that is not")


def check_membership(member: int, log: RaftLog) -> None:
    """Fail if the membership in force is not the newest one in the log."""
    for index in range(log.last_index, log.start, -1):
        entry = log.entry(index)
        if entry.kind is EntryKind.MEMBERSHIP:
            if log.membership_index != index or log.membership != decode_membership(entry.payload):
                break
            return
    else:
        if log.membership_index <= log.start:
            return
    raise SimulationFailedError(
        f"member {member} goes by the membership of entry {log.membership_index},"
        " which is not the newest in its log"
    )


def check_compaction(
    member: int, mark: SnapshotMark, disk: Disk, pins: Mapping[int, int], kept_from: int
) -> None:
    """Fail if the log forgets what the state does not hold, or what a pin keeps within bounds."""
    if mark.index > disk.image.index:
        raise SimulationFailedError(
            f"member {member} forgets entries up to {mark.index}, its state holds"
            f" {disk.image.index} durably"
        )
    if pins and mark.index > max(kept_from, min(pins.values())):
        raise SimulationFailedError(
            f"member {member} forgets entries up to {mark.index}, {dict(pins)} are pinned"
        )


def check_settled(
    change: Change,
    error: Exception | None,
    since: Iterable[Membership],
    refused: list[bytes],
) -> None:
    """Fail if ``change`` is reported as done but not committed; note changes reported as undone.

    ``since``: the memberships that were committed after the change was asked for.  Another change
    may have undone it before the member that was asked hears of either.
    """
    if error is not None:
        if isinstance(error, ChangeRefusedError) and isinstance(change, Describe):
            refused.append(change.context)
        return
    if not any(_holds(change, membership) for membership in since):
        raise SimulationFailedError(f"{change} is told as done, it is not: {since}")


def _holds(change: Change, membership: Membership) -> bool:
    if isinstance(change, Describe):
        return membership.context == change.context
    if isinstance(change, AddLearner):
        return change.member in membership.members
    if isinstance(change, Promote):
        return change.member in membership.voters
    return change.member not in membership.members
