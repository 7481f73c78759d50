"""The messages between members.

Owns: the messages.  ``term`` is the sender's term, except in a pre-vote, where it is the term
that the sender would campaign in; requests valid in any term (``Forward``, ``AskRead`` and their
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
    """A candidate's request for a vote; a pre-candidate (``pre``) asks whether it would get one.

    ``transfer``: the leader itself wants the election, so voters need not protect it.
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
    """The leader's entries that follow ``previous_index``, and its commit index."""

    sender: MemberId
    to: MemberId
    term: int
    previous_index: int
    previous_term: int
    entries: tuple[Entry, ...]
    commit: int


@value
class CommitNews:
    """The leader's commit index; the entries that it has sent end at ``previous_index``.

    It is answered only by a follower whose log does not match there.
    """

    sender: MemberId
    to: MemberId
    term: int
    previous_index: int
    previous_term: int
    commit: int


@value
class Appended:
    """The answer that the follower's log equals the leader's up to ``match``, durably."""

    sender: MemberId
    to: MemberId
    term: int
    match: int


@value
class AppendRefused:
    """The answer that the follower has no entry at ``previous_index`` with the leader's term.

    The logs may be equal up to ``hint_index`` at most, where the follower's term is
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
    """The leader's sign of life; ``commit`` never exceeds what the receiver is known to have."""

    sender: MemberId
    to: MemberId
    term: int
    commit: int
    round: int


@value
class HeartbeatAnswer:
    """The answer that the sender knew no later leader when it received round ``round``."""

    sender: MemberId
    to: MemberId
    term: int
    round: int


@value
class InstallSnapshot:
    """The leader's state machine as of ``mark``.

    The leader's shell sends it with the data; the receiver's shell passes it on when all has come.
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
    """Proposals for the leader.  One may arrive twice: layers above make it take effect once."""

    sender: MemberId
    to: MemberId
    proposals: tuple[Proposal, ...]


@value
class Declined:
    """A refusal of proposals or reads.

    For proposals it is certain only where the network does not duplicate messages: another copy of
    the ``Forward`` may have been accepted.
    """

    sender: MemberId
    to: MemberId
    ids: tuple[int, ...]
    reason: Refusal


@value
class AskRead:
    """A follower's question from which applied index on it may answer reads."""

    sender: MemberId
    to: MemberId
    ids: tuple[int, ...]


@value
class ReadAnswer:
    """The answer that everything committed when the reads were requested is up to ``index``."""

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
