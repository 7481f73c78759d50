"""Changes of the group that this member was asked for, and their end.

Owns: one change or transfer at a time, from its proposal to its end; the choice of an heir.

Invariant: a change is reported as done only when it is committed, as not done only when its entry
can never be committed; otherwise the caller waits until its patience ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from podraft.server.raft.core import Event, RaftCore
from podraft.server.raft.entries import NOBODY, MemberId
from podraft.server.raft.events import Change, ChangeProposed, Refusal, TransferLeadership
from podraft.server.raft.status import Fate, Status
from podraft.server.replication.core.effects import Emit, Settled


class ChangeRefusedError(Exception):
    """A change or transfer did not and will not happen."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


def choose_heir(
    status: Status, voters: Iterable[MemberId], reachable: Iterable[MemberId]
) -> MemberId:
    """Return the member of ``reachable`` that is best to lead next, NOBODY if there is none.

    That is the voter that lacks the fewest entries: it need not wait.
    """
    voting = set(voters)
    heirs = [peer for peer in reachable if peer in voting and peer != status.id]
    return max(heirs, key=lambda peer: status.matches.get(peer, 0), default=NOBODY)


class GroupChanges:
    """The change under way; ``step`` gives an event to ``consensus``, ``ids`` are not shared."""

    def __init__(
        self,
        identity: MemberId,
        consensus: RaftCore,
        ids: Iterator[int],
        *,
        emit: Emit,
        step: Callable[[Event], None],
    ) -> None:
        self._identity = identity
        self._consensus = consensus
        self._ids = ids
        self._emit = emit
        self._step = step
        self._tickets: dict[int, object] = {}
        # A change in this member's log: its number, its index, its term.
        self._appended: tuple[int, int, int] | None = None
        # A transfer: its number, and the member that is to lead.
        self._transfer: tuple[int, MemberId] | None = None

    def change(self, ticket: object, change: Change) -> None:
        """Change the membership."""
        number = self._expect(ticket)
        before = self._consensus.membership
        self._step(ChangeProposed(number, change))
        membership = self._consensus.membership
        if number in self._tickets and membership.in_force is not before.in_force:
            self._appended = (number, membership.index, self._consensus.leadership.term)
            self._settle_appended()

    def transfer(self, ticket: object, target: MemberId) -> None:
        """Make ``target`` the leader."""
        number = self._expect(ticket)
        self._transfer = (number, target)
        self._step(TransferLeadership(number, target))

    def hand_over(self, ticket: object, reachable: Iterable[MemberId]) -> None:
        """Make the best of ``reachable`` lead, which is faster than the others noticing a loss."""
        voters = self._consensus.membership.in_force.voters
        if self._consensus.leadership.leader != self._identity:
            self._emit(Settled(ticket, ChangeRefusedError(Refusal.NOT_LEADER)))
            return
        heir = choose_heir(self._consensus.status, voters, reachable)
        if heir == NOBODY:
            self._emit(Settled(ticket, ChangeRefusedError(Refusal.NOT_APPLICABLE)))
            return
        self.transfer(ticket, heir)

    def abandon(self, ticket: object) -> None:
        """Forget the caller that waits with ``ticket``; its request may still be carried out."""
        for number in [number for number, held in self._tickets.items() if held is ticket]:
            del self._tickets[number]

    def _expect(self, ticket: object) -> int:
        number = next(self._ids)
        self._tickets[number] = ticket
        return number

    def _settle(self, number: int, refusal: Refusal | None) -> None:
        ticket = self._tickets.pop(number, None)
        if ticket is not None:
            error = ChangeRefusedError(refusal) if refusal is not None else None
            self._emit(Settled(ticket, error))

    # Their fates.

    def refused(self, number: int, reason: Refusal) -> None:
        """End the change or transfer ``number``, if it is one of these, as refused."""
        self._settle(number, reason)

    def led_by(self, leader: MemberId) -> None:
        """Take note of another leader, or of none."""
        if self._transfer is None or leader in (NOBODY, self._identity):
            return
        (number, target), self._transfer = self._transfer, None
        self._settle(number, None if leader == target else Refusal.TRANSFER_FAILED)

    def membership_changed(self) -> None:
        """Take note that another membership is in force or certain."""
        self._settle_appended()

    def _settle_appended(self) -> None:
        if self._appended is None:
            return
        number, index, term = self._appended
        fate = self.fate(index, term)
        if fate is Fate.OPEN:
            return
        self._appended = None
        if fate is not Fate.UNKNOWN:
            self._settle(number, None if fate is Fate.COMMITTED else Refusal.DEPOSED)

    def fate(self, index: int, term: int) -> Fate:
        """Return the fate of the change at ``index``, which was appended in ``term``."""
        return self._consensus.fate(index, term)

    def fail(self, error: Exception) -> None:
        """End the waiting calls with ``error``, as the member stops."""
        tickets = list(self._tickets.values())
        self._tickets.clear()
        for ticket in tickets:
            self._emit(Settled(ticket, error))
