"""The state that all parts of one member's consensus share.

Owns: its identity, role, term and vote, its knowledge of the leader, its clock, and the outbox in
which the parts collect the effects of a step.

Invariants: the term never falls; within a term the vote is given once.
"""

from __future__ import annotations

from enum import Enum

from podraft.server.raft.effects import NOTHING, Effects, ReadReady, Refused, SendSnapshot, Write
from podraft.server.raft.entries import NOBODY, Entry, HardState, MemberId, SnapshotMark
from podraft.server.raft.errors import ensure
from podraft.server.raft.events import Refusal
from podraft.server.raft.log import RaftLog
from podraft.server.raft.messages import Message
from podraft.server.raft.options import RaftOptions, RandomSource
from podraft.server.raft.progress import Progress


class Role(Enum):
    """A member's role in its term.  A learner is a follower that is no voter."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


class Member:
    """The shared state; the parts change it, ``RaftCore`` takes the effects out of it."""

    def __init__(
        self,
        identity: MemberId,
        log: RaftLog,
        hard_state: HardState,
        options: RaftOptions,
        random: RandomSource,
    ) -> None:
        ensure(identity > NOBODY, "a member's id is above 0")
        self.id = identity
        self.log = log
        self.options = options
        self.term = hard_state.term
        self.vote = hard_state.vote
        self.role = Role.FOLLOWER
        self.leader: MemberId = NOBODY
        # As a leader: every other member that gets entries.
        self.peers: dict[MemberId, Progress] = {}
        self.transfer_target: MemberId = NOBODY
        self.elapsed_ticks: int
        self.patience_ticks: int
        self._random = random
        self._recorded = hard_state
        self._hard_states: list[tuple[int, HardState]] = []
        self.persisted_hard_state = hard_state
        self._sequence = 0
        self._snapshot: SnapshotMark | None = None
        self._now: list[Message] = []
        self._after: list[Message] = []
        self.reads: list[ReadReady] = []
        self._refused: list[Refused] = []
        self._snapshots: list[SendSnapshot] = []
        self.reset_patience()

    # Identity.

    @property
    def is_voter(self) -> bool:
        """Whether this member counts in majorities and may lead."""
        return self.id in self.log.membership.voters

    @property
    def term_committed(self) -> bool:
        """Whether an entry of this term is committed: only then a leader knows the commit index."""
        return self.log.term_at(self.log.commit) == self.term

    def reset_patience(self) -> None:
        """Restart the wait for a leader, for a random time, so that candidates seldom compete."""
        election = self.options.election_ticks
        self.elapsed_ticks = 0
        self.patience_ticks = election + self._random.randrange(election)

    def enter_term(self, term: int, vote: MemberId = NOBODY) -> None:
        """Go on to a later term."""
        ensure(term > self.term, f"term {term} does not follow {self.term}")
        self.term, self.vote = term, vote

    def give_vote(self, candidate: MemberId) -> None:
        """Vote in this term, for good."""
        ensure(self.vote in (NOBODY, candidate), f"a second vote in term {self.term}")
        self.vote = candidate

    # The outbox.

    def send_now(self, message: Message) -> None:
        """Send a message that claims nothing about this member's disk."""
        self._now.append(message)

    def send_after_persist(self, message: Message) -> None:
        """Send, after all writes, a message which claims that something is durable here."""
        self._after.append(message)

    def refuse(self, ids: tuple[int, ...], reason: Refusal) -> None:
        """Refuse requests of this member's shell."""
        self._refused.extend([Refused(id_, reason) for id_ in ids])

    def send_snapshot(self, to: MemberId) -> None:
        """Ask the shell to send a snapshot to member ``to``."""
        self._snapshots.append(SendSnapshot(to, self.term))

    def install(self, mark: SnapshotMark) -> None:
        """Replace log and state machine by the snapshot at ``mark``."""
        self.log.restore(mark)
        self._snapshot = mark

    def persisted(self, sequence: int) -> None:
        """Learn that every write up to ``sequence`` is durable."""
        ensure(sequence <= self._sequence, f"write {sequence} was never asked for")
        self.log.writes_persisted(sequence)
        while self._hard_states and self._hard_states[0][0] <= sequence:
            self.persisted_hard_state = self._hard_states.pop(0)[1]

    def take_effects(self) -> Effects:
        """Return the effects of this step, and begin the next one."""
        log = self.log
        write = self._take_write()
        committed: tuple[Entry, ...] = ()
        if log.commit != log.delivered:
            committed = log.take_deliverable(self.options.unapplied_entries_max)
        if not (
            write
            or committed
            or self._now
            or self._after
            or self.reads
            or self._refused
            or self._snapshots
        ):
            return NOTHING
        effects = Effects(
            tuple(self._now),
            write,
            tuple(self._after),
            committed,
            tuple(self.reads),
            tuple(self._refused),
            tuple(self._snapshots),
        )
        for box in (self._now, self._after, self.reads, self._refused, self._snapshots):
            if box:
                box.clear()
        return effects

    def _take_write(self) -> Write | None:
        recorded = self._recorded
        hard_state = None
        if recorded.term != self.term or recorded.vote != self.vote:
            hard_state = self._recorded = HardState(self.term, self.vote)
        elif not self.log.unwritten and self._snapshot is None:
            return None
        self._sequence += 1
        if hard_state is not None:
            self._hard_states.append((self._sequence, hard_state))
        write = Write(
            self._sequence, self._snapshot, hard_state, self.log.take_unwritten(self._sequence)
        )
        self._snapshot = None
        return write
