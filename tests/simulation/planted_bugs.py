"""Known mistakes, each planted into one part of the core, to show that the simulator finds them.

Owns: the mistakes in the consensus, and the table of all mistakes. Each is the product's core
composed with a part that is wrong in one place, or a consensus that hands on its effects
wrongly; the product itself has no switch for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from podraft.server.raft.changes import Changes
from podraft.server.raft.core import Event, Parts, RaftCore
from podraft.server.raft.effects import Effects
from podraft.server.raft.election import Election
from podraft.server.raft.entries import NOBODY, Entry, HardState, SnapshotMark
from podraft.server.raft.log import RaftLog
from podraft.server.raft.messages import AskVote, Heartbeat, InstallSnapshot, Vote
from podraft.server.raft.quorum import majority
from podraft.server.raft.reads import Reads
from podraft.server.raft.replication import Replication
from podraft.server.replication.core.member_core import MemberParts
from simulation.planted_member_bugs import PLANTED_MEMBER_BUGS


class _ForgetsVote(RaftCore):
    """The vote is not persisted."""

    def step(self, event: Event) -> Effects:
        effects = super().step(event)
        write = effects.write
        if write is None or write.hard_state is None:
            return effects
        forgetful = HardState(write.hard_state.term, NOBODY)
        return replace(effects, write=replace(write, hard_state=forgetful))


class _ForgetsTerm(RaftCore):
    """Neither term nor vote is persisted."""

    def step(self, event: Event) -> Effects:
        effects = super().step(event)
        if effects.write is None:
            return effects
        return replace(effects, write=replace(effects.write, hard_state=None))


class _AcknowledgesBeforeSync(RaftCore):
    """Votes and acknowledgements leave before they are durable."""

    def step(self, event: Event) -> Effects:
        effects = super().step(event)
        messages = effects.messages_now + effects.messages_after_persist
        return replace(effects, messages_now=messages, messages_after_persist=())


class _VotesBeforeSync(RaftCore):
    """Votes leave before they are durable; acknowledgements wait."""

    def step(self, event: Event) -> Effects:
        effects = super().step(event)
        after = effects.messages_after_persist
        votes = tuple(message for message in after if type(message) is Vote)
        rest = tuple(message for message in after if type(message) is not Vote)
        return replace(
            effects, messages_now=effects.messages_now + votes, messages_after_persist=rest
        )


class _TruncatesButBelievesDurable(RaftLog):
    """Entries that were cut off still count as durable, whatever takes their place."""

    def truncate(self, index: int) -> None:
        persisted = self.persisted
        super().truncate(index)
        self.persisted = persisted


class _ProvesReplacedEntries(RaftLog):
    """A write under way is taken to prove the entries that have replaced its own."""

    def truncate(self, index: int) -> None:
        writing = self._writing
        super().truncate(index)
        self._writing = writing


class _KeepsReplacedMembership(RaftLog):
    """A membership stays in force after its entry was replaced."""

    def truncate(self, index: int) -> None:
        memberships, membership = self._memberships.copy(), self.membership
        super().truncate(index)
        self._memberships, self.membership = memberships, membership


class _CommitsOlderTerms(Replication):
    """A majority commits entries of any term (the paper's figure 8)."""

    def may_commit(self, index: int) -> bool:
        return index > self._log.commit


class _CountsUnsyncedCopy(Replication):
    """The leader counts its own copy before that is durable."""

    def advance_commit(self) -> None:
        persisted, self._log.persisted = self._log.persisted, self._log.last_index
        super().advance_commit()
        self._log.persisted = persisted


class _CountsLearners(Replication):
    """Learners count towards a majority."""

    def advance_commit(self) -> None:
        log, member = self._log, self._member
        matches = [progress.match for progress in member.peers.values()] + [log.persisted]
        index = sorted(matches)[-majority(len(log.membership.voters))]
        if self.may_commit(index):
            log.commit_to(index)


class _HintsAtCommit(RaftLog):
    """No mistake, only slow: a refusal sends the leader back to what is committed.

    With exact hints the first entry that follows is the first difference, which hides some
    mistakes; with this hint they show.
    """

    def last_index_up_to_term(self, index: int, term: int) -> tuple[int, int]:
        index = min(index, self.commit)
        return index, self.term_at(index) or 0


class _CommitsUnproven(Replication):
    """The leader's commit index is believed beyond what the message proves equal."""

    def learn_commit(self, commit: int, proven: int) -> None:
        self._log.commit_to(min(commit, self._log.last_index))


class _CommitsByHeartbeat(Replication):
    """A heartbeat's commit index is not limited to what the follower is known to have."""

    def heartbeat(self) -> None:
        for progress in self._member.peers.values():
            progress.match += 1 << 32
        super().heartbeat()
        for progress in self._member.peers.values():
            progress.match -= 1 << 32

    def heartbeat_received(self, message: Heartbeat) -> None:
        super().heartbeat_received(
            replace(message, commit=min(message.commit, self._log.last_index))
        )


class _AcknowledgesUnproven(Replication):
    """The follower acknowledges its whole log instead of what the message proves equal."""

    def _acknowledge(self, leader: int, match: int) -> None:
        super()._acknowledge(leader, self._log.last_index)


class _InstallsAnySnapshot(Replication):
    """A snapshot replaces a log that is ahead of it."""

    def snapshot_received(self, message: InstallSnapshot) -> None:
        self._member.install(message.mark)
        self._acknowledge(message.sender, message.mark.index)


class _RestoresAnything(RaftLog):
    def restore(self, mark: SnapshotMark) -> None:
        self.commit = 0
        super().restore(mark)


class _TruncatesOnOverlap(RaftLog):
    """An old message cuts off entries that came after it."""

    def merge(self, previous_index: int, previous_term: int, entries: Sequence[Entry]) -> bool:
        matches = self.term_at(previous_index) == previous_term
        if matches and entries and self.commit < entries[-1].index < self.last_index:
            self.truncate(entries[-1].index + 1)
        return super().merge(previous_index, previous_term, entries)


class _VotesForAnyLog(Election):
    """Votes are given without looking at the candidate's log."""

    def log_suffices(self, ask: AskVote) -> bool:
        return True


class _VotesTwice(Election):
    """A second candidate of a term gets a vote, too."""

    def asked(self, ask: AskVote) -> None:
        if not ask.pre:
            self._member.vote = NOBODY
        super().asked(ask)


class _ReadsWithoutMajority(Reads):
    """A leader answers reads without proving that it still is one."""

    def confirmed_round(self) -> int:
        return self._replication.round


class _ReadsBeforeTermCommitted(Reads):
    """A new leader takes its own commit index for the group's."""

    def knows_commit(self) -> bool:
        return True


class _ChangesBeforeTermCommitted(Changes):
    """A new leader changes the members without knowing whether an earlier change is in force."""

    def may_begin(self) -> bool:
        return True


class _ChangesTwice(Changes):
    """A second change begins before the first is committed."""

    def pending(self) -> bool:
        return False


def _consensus(**parts: Any) -> MemberParts:
    return MemberParts(consensus_parts=Parts(**parts))


PLANTED_BUGS: dict[str, MemberParts] = {
    "vote not persisted": MemberParts(consensus=_ForgetsVote),
    "term not persisted": MemberParts(consensus=_ForgetsTerm),
    "acknowledged before fsync": MemberParts(consensus=_AcknowledgesBeforeSync),
    "vote sent before fsync": MemberParts(consensus=_VotesBeforeSync),
    "cut entries count as durable": _consensus(log=_TruncatesButBelievesDurable),
    "write proves replaced entries": _consensus(log=_ProvesReplacedEntries),
    "replaced membership in force": _consensus(log=_KeepsReplacedMembership),
    "older term committed by counting": _consensus(
        replication=_CommitsOlderTerms, log=_HintsAtCommit
    ),
    "own copy counted before fsync": _consensus(replication=_CountsUnsyncedCopy),
    "learners counted": _consensus(replication=_CountsLearners),
    "commit beyond the last new entry": _consensus(
        replication=_CommitsUnproven, log=_HintsAtCommit
    ),
    "commit by heartbeat": _consensus(replication=_CommitsByHeartbeat),
    "unproven acknowledged": _consensus(replication=_AcknowledgesUnproven, log=_HintsAtCommit),
    "snapshot overwrites newer log": _consensus(
        replication=_InstallsAnySnapshot, log=_RestoresAnything
    ),
    "truncation on mere overlap": _consensus(log=_TruncatesOnOverlap),
    "vote without up-to-date check": _consensus(election=_VotesForAnyLog),
    "two votes in a term": _consensus(election=_VotesTwice),
    "stale read without a majority": _consensus(reads=_ReadsWithoutMajority),
    "read before own-term commit": _consensus(reads=_ReadsBeforeTermCommitted),
    "change before own-term commit": _consensus(changes=_ChangesBeforeTermCommitted),
    "two changes at once": _consensus(changes=_ChangesTwice),
    **PLANTED_MEMBER_BUGS,
}
