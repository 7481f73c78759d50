"""Changes of the group's membership, and of its leader.

Owns: membership changes (one member at a time, learners first) and the transfer of leadership.

Invariants: a change is in force from the moment it is in a log, so at most one may be uncommitted,
and none may begin before the leader has committed an entry of its term: otherwise two majorities
without a common voter could exist.  No member becomes a voter before it has nearly everything.
"""

from __future__ import annotations

from dataclasses import replace

from podraft.server.raft.entries import NOBODY, EntryKind, MemberId, Membership
from podraft.server.raft.events import (
    AddLearner,
    Change,
    ChangeProposed,
    Describe,
    Promote,
    Proposal,
    Refusal,
    TransferLeadership,
)
from podraft.server.raft.member import Member, Role
from podraft.server.raft.messages import CampaignNow
from podraft.server.raft.progress import Pace
from podraft.server.raft.replication import Replication


def changed_membership(membership: Membership, change: Change) -> Membership | None:
    """Return the membership after ``change``; None if it does not apply."""
    if isinstance(change, Describe):
        return replace(membership, context=change.context)
    voters, learners, member = set(membership.voters), set(membership.learners), change.member
    if isinstance(change, AddLearner):
        if member in voters or member in learners or member <= NOBODY:
            return None
        learners.add(member)
    elif isinstance(change, Promote):
        if member not in learners:
            return None
        learners.remove(member)
        voters.add(member)
    else:
        if (member not in voters and member not in learners) or voters == {member}:
            return None
        voters.discard(member)
        learners.discard(member)
    context = membership.context if change.context is None else change.context
    return Membership.of(voters, learners, context)


class Changes:
    """The leader's part in changes of membership and leadership."""

    def __init__(self, member: Member, replication: Replication) -> None:
        self._member = member
        self._replication = replication
        self._transfer_id = 0

    def proposed(self, event: ChangeProposed) -> None:
        """Append the changed membership, or refuse the change with a reason."""
        member = self._member
        changed = changed_membership(member.log.membership, event.change)
        reason = self._obstacle(event.change, changed)
        if changed is None or reason is not None:
            member.refuse((event.id,), reason or Refusal.NOT_APPLICABLE)
            return
        for peer in changed.members:
            self._replication.add_peer(peer)
        self._replication.append(EntryKind.MEMBERSHIP, (Proposal(event.id, changed.encode()),))

    def _obstacle(self, change: Change, changed: Membership | None) -> Refusal | None:
        member = self._member
        if member.role is not Role.LEADER:
            return Refusal.NOT_LEADER
        if member.transfer_target != NOBODY:
            return Refusal.TRANSFERRING
        if not self.may_begin():
            return Refusal.TERM_NOT_COMMITTED
        if self.pending():
            return Refusal.CHANGE_PENDING
        if changed is None:
            return Refusal.NOT_APPLICABLE
        if isinstance(change, Promote) and not self.caught_up(change.member):
            return Refusal.NOT_CAUGHT_UP
        return None

    def may_begin(self) -> bool:
        """Return whether no change of an earlier term can be in force unknown to this leader."""
        return self._member.term_committed

    def pending(self) -> bool:
        """Return whether a change is uncommitted."""
        log = self._member.log
        return log.membership_index > log.commit

    def caught_up(self, learner: MemberId) -> bool:
        """Return whether the learner is alive and lacks few entries."""
        member = self._member
        progress = member.peers.get(learner)
        return (
            progress is not None
            and progress.active
            and progress.pace is Pace.REPLICATE
            and progress.match + member.options.promotion_lag_max >= member.log.last_index
        )

    def committed(self) -> bool:
        """Drop removed members; return whether the leader must step down."""
        member, log = self._member, self._member.log
        if self.pending():
            return False
        members = log.membership.members
        for peer in [peer for peer in member.peers if peer not in members]:
            # The commit index was just sent to it, so that it learns of its removal.
            del member.peers[peer]
        if member.is_voter:
            return False
        heir = max(log.membership.voters, key=self._match)
        member.send_now(CampaignNow(member.id, heir, member.term))
        return True

    def _match(self, peer: MemberId) -> int:
        progress = self._member.peers.get(peer)
        return progress.match if progress is not None else 0

    # Transfer of leadership.

    def transfer(self, event: TransferLeadership) -> None:
        """Take no more proposals, bring ``target`` up to date, and tell it to campaign."""
        member = self._member
        reason = None
        if member.role is not Role.LEADER:
            reason = Refusal.NOT_LEADER
        elif member.transfer_target != NOBODY:
            reason = Refusal.TRANSFERRING
        elif event.target not in member.log.membership.voters or event.target == member.id:
            reason = Refusal.NOT_APPLICABLE
        if reason is not None:
            member.refuse((event.id,), reason)
            return
        member.transfer_target = event.target
        self._transfer_id = event.id
        member.elapsed_ticks = 0
        self.hand_over(event.target)

    def hand_over(self, follower: MemberId) -> None:
        """Tell the target to campaign as soon as it has everything."""
        member = self._member
        if (
            follower == member.transfer_target
            and follower != NOBODY
            and self._match(follower) == member.log.last_index
        ):
            member.send_now(CampaignNow(member.id, follower, member.term))

    def give_up_transfer(self) -> None:
        """End a transfer after an election timeout in which this member has kept leading."""
        member = self._member
        if member.transfer_target != NOBODY:
            member.transfer_target = NOBODY
            member.refuse((self._transfer_id,), Refusal.TRANSFER_FAILED)
