"""Linearizable reads without writing to the log (ReadIndex).

Owns: reads that wait for proof that this leader still leads.

A read requested now must see everything committed now.  The leader notes its commit index, then
has a majority answer a heartbeat round that began after that: this proves that no later leader
existed when the read came.  Reads that come while a round is under way share the next one.

Invariants: no clock is trusted; before it has committed an entry of its own term, a leader does
not know what is committed and confirms nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from podraft.server.raft.effects import ReadReady
from podraft.server.raft.entries import NOBODY, MemberId
from podraft.server.raft.events import ReadsRequested, Refusal
from podraft.server.raft.member import Member, Role
from podraft.server.raft.messages import AskRead, Declined, ReadAnswer
from podraft.server.raft.quorum import agreed_index
from podraft.server.raft.replication import Replication


@dataclass(frozen=True, slots=True)
class _Waiting:
    """The waiting reads of one member; ``round`` is the first whose confirmation proves them."""

    origin: MemberId
    ids: tuple[int, ...]
    index: int
    round: int


class Reads:
    """The member's part in reads."""

    def __init__(self, member: Member, replication: Replication) -> None:
        self._member = member
        self._replication = replication
        self._early: list[tuple[MemberId, tuple[int, ...]]] = []
        self._next: list[tuple[MemberId, tuple[int, ...], int]] = []
        self._proving: deque[_Waiting] = deque()
        self._count = 0

    def requested(self, event: ReadsRequested) -> None:
        """Serve reads of this member's shell, with the leader's help if need be."""
        member = self._member
        if member.role is Role.LEADER:
            self._take(member.id, event.ids)
        elif member.leader != NOBODY:
            member.send_now(AskRead(member.id, member.leader, event.ids))
        else:
            member.refuse(event.ids, Refusal.NO_LEADER)

    def asked(self, message: AskRead) -> None:
        """Serve reads of a follower."""
        if self._member.role is Role.LEADER:
            self._take(message.sender, message.ids)
        else:
            self._decline(message.sender, message.ids, Refusal.NOT_LEADER)

    def answered(self, message: ReadAnswer) -> None:
        """Answer this follower's reads, which the leader has proved."""
        self._member.reads.extend([ReadReady(id_, message.index) for id_ in message.ids])

    def _take(self, origin: MemberId, ids: tuple[int, ...]) -> None:
        if self._count + len(ids) > self._member.options.waiting_reads_max:
            self._decline(origin, ids, Refusal.OVERLOADED)
            return
        self._count += len(ids)
        if not self.knows_commit():
            self._early.append((origin, ids))
            return
        self._next.append((origin, ids, self._member.log.commit))
        if not self._proving:
            self.begin_round()

    def knows_commit(self) -> bool:
        """Return whether the leader's commit index covers all that earlier leaders acknowledged."""
        return self._member.term_committed

    def begin_round(self) -> None:
        """Begin a heartbeat round that proves every waiting read."""
        self._replication.heartbeat()
        number = self._replication.round
        for origin, ids, index in self._next:
            self._proving.append(_Waiting(origin, ids, index, number))
        self._next.clear()
        self.prove()

    def prove(self) -> None:
        """Answer the reads whose round a majority has answered."""
        confirmed = self.confirmed_round()
        while self._proving and self._proving[0].round <= confirmed:
            waiting = self._proving.popleft()
            self._count -= len(waiting.ids)
            self._answer(waiting)
        if self._next and not self._proving:
            self.begin_round()

    def confirmed_round(self) -> int:
        """Return the last round that a majority has answered."""
        member = self._member
        rounds = {peer: progress.round for peer, progress in member.peers.items()}
        rounds[member.id] = self._replication.round
        return agreed_index(member.log.membership.voters, rounds)

    def _answer(self, waiting: _Waiting) -> None:
        member = self._member
        if waiting.origin == member.id:
            member.reads.extend([ReadReady(id_, waiting.index) for id_ in waiting.ids])
        else:
            # The follower's state must get that far, too.
            self._replication.announce_to(waiting.origin)
            member.send_now(ReadAnswer(member.id, waiting.origin, waiting.ids, waiting.index))

    def committed(self) -> None:
        """Serve the reads that waited for the leader's first commit of its term."""
        if self._early and self.knows_commit():
            commit = self._member.log.commit
            self._next.extend([(origin, ids, commit) for origin, ids in self._early])
            self._early.clear()
            # No reads are being proved yet: before this commit every read was early.
            self.begin_round()

    def abandon(self) -> None:
        """Refuse the waiting reads: the leadership is lost, and with it every proof."""
        waiting = [
            *self._early,
            *((origin, ids) for origin, ids, _ in self._next),
            *((item.origin, item.ids) for item in self._proving),
        ]
        self._early.clear()
        self._next.clear()
        self._proving.clear()
        self._count = 0
        for origin, ids in waiting:
            self._decline(origin, ids, Refusal.DEPOSED)

    def _decline(self, origin: MemberId, ids: tuple[int, ...], reason: Refusal) -> None:
        member = self._member
        if origin == member.id:
            member.refuse(ids, reason)
        else:
            member.send_now(Declined(member.id, origin, ids, reason))
