"""Elections of the leader.

Owns: campaigns, votes, the transitions between roles.

    follower --patience ends--> pre-candidate --would win--> candidate --wins--> leader
        ^                            |                          |                 |
        +--- a leader's message, a later term, a lost election, no majority heard ---+

Invariants: a member votes once in a term, for a log as complete as its own, and announces its vote
only when that is durable; its vote for itself, too, counts only then.  While members hear from a
leader, none of them helps to depose it, unless the leader itself asks for that.
"""

from __future__ import annotations

from collections.abc import Callable

from podraft.server.raft.entries import NOBODY, HardState, MemberId
from podraft.server.raft.member import Member, Role
from podraft.server.raft.messages import AskVote, CampaignNow, Vote
from podraft.server.raft.quorum import verdict


class Election:
    """The member's part in elections.

    ``lead`` is called when this member has won, ``abdicate`` when it no longer leads.
    """

    def __init__(
        self, member: Member, lead: Callable[[], None], abdicate: Callable[[], None]
    ) -> None:
        self._member = member
        self._lead = lead
        self._abdicate = abdicate
        self._votes: dict[MemberId, bool] = {}
        self._transfer = False

    # Transitions between roles.

    def follow(self, term: int, leader: MemberId) -> None:
        """Become a follower, of ``leader`` if it is known."""
        member = self._member
        if term > member.term:
            member.enter_term(term)
        led = member.role is Role.LEADER
        member.role = Role.FOLLOWER
        member.leader = leader
        member.reset_patience()
        self._votes.clear()
        if led:
            self._abdicate()

    def patience_ended(self) -> None:
        """Ask the others whether an election would be won, before disturbing them with one."""
        member = self._member
        member.reset_patience()
        member.leader = NOBODY
        if not member.is_voter:
            return
        member.role = Role.PRE_CANDIDATE
        self._votes = {member.id: True}
        self._ask(pre=True)
        self._count()

    def campaign(self, *, transfer: bool) -> None:
        """Stand for election in the next term."""
        member = self._member
        member.enter_term(member.term + 1, member.id)
        member.reset_patience()
        member.role = Role.CANDIDATE
        member.leader = NOBODY
        # This member's own vote counts when it is durable; see ``persisted``.
        self._votes = {}
        self._transfer = transfer
        self._ask(pre=False)

    def ask_again(self) -> None:
        """Ask the voters that have not answered; perhaps it was too early, or they were offline."""
        role = self._member.role
        if role in (Role.PRE_CANDIDATE, Role.CANDIDATE):
            self._ask(pre=role is Role.PRE_CANDIDATE)

    def persisted(self) -> None:
        """Count this member's own vote once it is durable."""
        member = self._member
        if (
            member.role is Role.CANDIDATE
            and member.id not in self._votes
            and member.persisted_hard_state == HardState(member.term, member.id)
        ):
            self._votes[member.id] = True
            self._count()

    def _ask(self, *, pre: bool) -> None:
        member, log = self._member, self._member.log
        term = member.term + 1 if pre else member.term
        for voter in log.membership.voters:
            if voter == member.id or voter in self._votes:
                continue
            transfer = self._transfer and not pre
            ask = AskVote(member.id, voter, term, log.last_index, log.last_term, pre, transfer)
            if pre:
                member.send_now(ask)
            else:
                # A member that wins by others' votes alone must not vote again after a crash.
                member.send_after_persist(ask)

    def _count(self) -> None:
        member = self._member
        won = verdict(member.log.membership.voters, self._votes)
        if won is False:
            self.follow(member.term, NOBODY)
        elif won and member.role is Role.PRE_CANDIDATE:
            self.campaign(transfer=False)
        elif won:
            member.role = Role.LEADER
            member.leader = member.id
            member.elapsed_ticks = 0
            self._lead()

    # Messages.

    def protects_leader(self, ask: AskVote) -> bool:
        """Return whether a campaign is ignored because a leader is alive."""
        member = self._member
        return (
            not ask.transfer
            and member.leader != NOBODY
            and member.elapsed_ticks < member.options.election_ticks
        )

    def asked(self, ask: AskVote) -> None:
        """Answer with a vote or, in a pre-vote, with whether this member would grant one."""
        member = self._member
        free = member.vote == ask.sender or (member.vote == NOBODY and member.leader == NOBODY)
        if ask.pre:
            free = free or ask.term > member.term
        granted = free and self.log_suffices(ask)
        if ask.pre:
            # The answer promises nothing: neither the term nor the vote changes.
            term = ask.term if granted else member.term
            member.send_now(Vote(member.id, ask.sender, term, granted, pre=True))
            return
        if granted:
            member.give_vote(ask.sender)
            member.elapsed_ticks = 0
        member.send_after_persist(Vote(member.id, ask.sender, member.term, granted))

    def log_suffices(self, ask: AskVote) -> bool:
        """Return whether the candidate's log has all that, as known here, may be committed."""
        return self._member.log.is_up_to_date(ask.last_index, ask.last_term)

    def answered(self, vote: Vote) -> None:
        """Count a vote of the current campaign."""
        member = self._member
        if vote.pre:
            current = member.role is Role.PRE_CANDIDATE and (
                not vote.granted or vote.term == member.term + 1
            )
        else:
            current = member.role is Role.CANDIDATE
        if current and vote.sender not in self._votes:
            self._votes[vote.sender] = vote.granted
            self._count()

    def told_to_campaign(self, _: CampaignNow) -> None:
        """Campaign at once, without a pre-vote, because the leader hands over."""
        if self._member.is_voter and self._member.role is Role.FOLLOWER:
            self.campaign(transfer=True)
