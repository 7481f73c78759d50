"""What members say to each other.

Owns: the messages.  ``term`` is the sender's term, except in a pre-vote, which speaks of the term
that it would campaign in; requests that any term may make (``Forward``, ``AskRead`` and their
answers) do not change terms.

Invariant: every message may be lost, doubled, delayed and overtaken; nothing in them
depends on the order of a connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from podraft.server.raft.entries import Entry, MemberId, SnapshotMark
from podraft.server.raft.events import Proposal, Refusal
from podraft.server.values import value


@value
class AskVote:
    """A candidate asks for a vote, a pre-candidate (``pre``) whether it would get one.

    ``transfer``: the leader itself wishes it, so voters need not protect it.
    """

    sender: MemberId
    to: MemberId
    term: int
    last_index: int
    last_term: int
    pre: bool = False
    transfer: bool = False


@value
class Vote:
    """The answer to ``AskVote``."""

    sender: MemberId
    to: MemberId
    term: int
    granted: bool
    pre: bool = False


@value
class Append:
    """The leader's entries that follow ``previous_index``, and how far it has committed."""

    sender: MemberId
    to: MemberId
    term: int
    previous_index: int
    previous_term: int
    entries: tuple[Entry, ...]
    commit: int


@value
class CommitNews:
    """How far the leader has committed; what it has sent ends at ``previous_index``.

    It is answered only if that is not so.
    """

    sender: MemberId
    to: MemberId
    term: int
    previous_index: int
    previous_term: int
    commit: int


@value
class Appended:
    """The follower's log equals the leader's up to ``match``, durably."""

    sender: MemberId
    to: MemberId
    term: int
    match: int


@value
class AppendRefused:
    """The follower has no entry at ``previous_index`` with the leader's term.

    The logs may be equal at ``hint_index`` at the highest, where the follower's term is
    ``hint_term``.  From a later term (an answer to a deposed leader) only ``term`` matters.
    """

    sender: MemberId
    to: MemberId
    term: int
    previous_index: int = 0
    hint_index: int = 0
    hint_term: int = 0


@value
class Heartbeat:
    """The leader is there.  ``commit`` never exceeds what the receiver is known to have."""

    sender: MemberId
    to: MemberId
    term: int
    commit: int
    round: int


@value
class HeartbeatAnswer:
    """The sender knew no later leader when it got round ``round``."""

    sender: MemberId
    to: MemberId
    term: int
    round: int


@value
class InstallSnapshot:
    """The leader's state machine as of ``mark``.

    Its shell sends it with the data; the receiver's shell passes it on when it has them all.
    """

    sender: MemberId
    to: MemberId
    term: int
    mark: SnapshotMark


@value
class CampaignNow:
    """The leader hands over: the receiver has everything and campaigns without waiting."""

    sender: MemberId
    to: MemberId
    term: int


@value
class Forward:
    """Proposals for the leader.  One may arrive twice: what makes it take effect once is above."""

    sender: MemberId
    to: MemberId
    proposals: tuple[Proposal, ...]


@value
class Declined:
    """These proposals or reads will not happen.

    Of proposals that is certain only where the network does not double messages: another copy of
    the ``Forward`` may have been taken.
    """

    sender: MemberId
    to: MemberId
    ids: tuple[int, ...]
    reason: Refusal


@value
class AskRead:
    """A follower asks from which index on its state machine may answer reads."""

    sender: MemberId
    to: MemberId
    ids: tuple[int, ...]


@value
class ReadAnswer:
    """Everything committed when the reads were asked for is at or below ``index``."""

    sender: MemberId
    to: MemberId
    ids: tuple[int, ...]
    index: int


def without_outdated(messages: Sequence[Message]) -> list[Message]:
    """Return ``messages`` without acknowledgements that a later one among them includes."""
    kept: list[Message] = []
    latest: dict[tuple[MemberId, int], int] = {}
    for message in reversed(messages):
        if type(message) is Appended:
            key = (message.to, message.term)
            if message.match <= latest.get(key, -1):
                continue
            latest[key] = message.match
        kept.append(message)
    kept.reverse()
    return kept


FromLeader: TypeAlias = Append | CommitNews | Heartbeat | InstallSnapshot
WithTerm: TypeAlias = (
    AskVote | Vote | FromLeader | Appended | AppendRefused | HeartbeatAnswer | CampaignNow
)
WithoutTerm: TypeAlias = Forward | Declined | AskRead | ReadAnswer
Message: TypeAlias = WithTerm | WithoutTerm
