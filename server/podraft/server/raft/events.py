"""The events of a member, as its shell reports them to the core.

Owns: the events except ``Received``, whose messages are built from these (see ``core.Event``).
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from podraft.server.raft.entries import MemberId, SnapshotMark
from podraft.server.values import value


class Refusal(Enum):
    """The reason why a request will not be carried out; it may be repeated."""

    NO_LEADER = "no leader is known"
    NOT_LEADER = "this member does not lead"
    TRANSFERRING = "the leadership is being transferred"
    OVERLOADED = "too much waits to be committed"
    CHANGE_PENDING = "an earlier change of members is not committed yet"
    TERM_NOT_COMMITTED = "the leader has not committed an entry of its term yet"
    NOT_CAUGHT_UP = "the learner has not caught up"
    NOT_APPLICABLE = "the members do not allow this change"
    DEPOSED = "the leader lost its leadership"
    TRANSFER_FAILED = "the new leader did not take over in time"


@value
class Proposal:
    """A command for the log.  ``id`` (not 0) comes back in its entry or its refusal."""

    id: int
    payload: bytes


@value
class Tick:
    """One unit of time has passed."""


@value
class AnnounceCommit:
    """A little time has passed since something was committed (``RaftCore.unannounced``)."""


@value
class Proposed:
    """Commands are waiting to be ordered."""

    proposals: tuple[Proposal, ...]


@value
class Persisted:
    """Every ``Write`` up to ``sequence`` is durable."""

    sequence: int


@value
class Applied:
    """The state machine has taken every entry up to ``index``."""

    index: int


@value
class Compacted:
    """A durable snapshot covers every entry up to ``index``: the log may forget them."""

    index: int


@value
class ReadsRequested:
    """Linearizable reads are requested; ``ids`` come back in ``Effects.reads`` or refused."""

    ids: tuple[int, ...]


@value
class AddLearner:
    """A change that adds a member which gets entries but does not vote yet.

    Here and below ``context`` replaces the membership's context; None leaves it unchanged.
    """

    member: MemberId
    context: bytes | None = None


@value
class Promote:
    """A change that makes a learner which has caught up a voter."""

    member: MemberId
    context: bytes | None = None


@value
class Remove:
    """A change that removes a voter or learner; a removed leader steps down on its commit."""

    member: MemberId
    context: bytes | None = None


@value
class Describe:
    """A change of nothing but the context."""

    context: bytes


Change: TypeAlias = AddLearner | Promote | Remove | Describe


@value
class ChangeProposed:
    """A change of the membership by one member is requested; only the leader takes it."""

    id: int
    change: Change


@value
class TransferLeadership:
    """``target`` is to lead; given up after an election timeout.  Only the leader takes it."""

    id: int
    target: MemberId


@value
class SnapshotSent:
    """The shell's attempt at a ``SendSnapshot`` ended; ``mark`` is None if it failed."""

    to: MemberId
    mark: SnapshotMark | None
