"""The way of commands into the log.

Owns: the decision to append, forward or refuse proposals.

Invariant: this member brings no proposal that it refuses into any log; a forwarded one may be
lost, or arrive twice where the network duplicates messages, so a proposer that repeats it must
make it take effect once.
"""

from __future__ import annotations

from podraft.server.raft.entries import NOBODY, EntryKind
from podraft.server.raft.events import Proposal, Proposed, Refusal
from podraft.server.raft.member import Member, Role
from podraft.server.raft.messages import Declined, Forward
from podraft.server.raft.replication import Replication


class Proposals:
    """The member's part in proposing."""

    def __init__(self, member: Member, replication: Replication) -> None:
        self._member = member
        self._replication = replication

    def proposed(self, event: Proposed) -> None:
        """Take commands from this member's shell."""
        member = self._member
        if member.role is not Role.LEADER and member.leader != NOBODY:
            member.send_now(Forward(member.id, member.leader, event.proposals))
            return
        reason = self._append(event.proposals)
        if reason is not None:
            member.refuse(_ids(event.proposals), reason)

    def forwarded(self, message: Forward) -> None:
        """Take commands from another member, without passing them on."""
        reason = self._append(message.proposals)
        if reason is None:
            self._replication.proposed_by(message.sender)
        else:
            member, ids = self._member, _ids(message.proposals)
            member.send_now(Declined(member.id, message.sender, ids, reason))

    def declined(self, message: Declined) -> None:
        """Refuse the forwarded commands that the leader did not take."""
        self._member.refuse(message.ids, message.reason)

    def _append(self, proposals: tuple[Proposal, ...]) -> Refusal | None:
        member = self._member
        if member.role is not Role.LEADER:
            return Refusal.NO_LEADER if member.leader == NOBODY else Refusal.NOT_LEADER
        if member.transfer_target != NOBODY:
            return Refusal.TRANSFERRING
        if self._replication.overloaded(proposals):
            return Refusal.OVERLOADED
        self._replication.append(EntryKind.COMMAND, proposals)
        return None


def _ids(proposals: tuple[Proposal, ...]) -> tuple[int, ...]:
    return tuple([proposal.id for proposal in proposals])
