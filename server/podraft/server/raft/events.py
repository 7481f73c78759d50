"""What happens to a member, as its shell tells the core.

Owns: the events except ``Received``, whose messages are built from these (see ``core.Event``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from podraft.server.raft.entries import MemberId, SnapshotMark


class Refusal(Enum):
    """Why something asked for will not happen; it may be asked for again."""

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


@dataclass(frozen=True, slots=True)
class Proposal:
    """A command for the log.  ``id`` (not 0) comes back in its entry or its refusal."""

    id: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """One unit of time has passed."""


@dataclass(frozen=True, slots=True)
class AnnounceCommit:
    """A little time has passed since something was committed (``RaftCore.unannounced``)."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """Commands wait to be ordered."""

    proposals: tuple[Proposal, ...]


@dataclass(frozen=True, slots=True)
class Persisted:
    """Every ``Write`` up to ``sequence`` is durable."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Applied:
    """The state machine has taken every entry up to ``index``."""

    index: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """A durable snapshot covers every entry up to ``index``: the log may forget them."""

    index: int


@dataclass(frozen=True, slots=True)
class ReadsRequested:
    """Somebody wants linearizable reads; ``ids`` come back in ``Effects.reads`` or refused."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AddLearner:
    """Replicate to a new member that does not count yet.

    Here and below ``context`` takes the place of the membership's; None leaves it as it is.
    """

    member: MemberId
    context: bytes | None = None


@dataclass(frozen=True, slots=True)
class Promote:
    """Let a learner that has caught up vote."""

    member: MemberId
    context: bytes | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """Let a voter or learner go.  A leader that removes itself steps down when it is committed."""

    member: MemberId
    context: bytes | None = None


@dataclass(frozen=True, slots=True)
class Describe:
    """Change nothing but the context."""

    context: bytes


Change: TypeAlias = AddLearner | Promote | Remove | Describe


@dataclass(frozen=True, slots=True)
class ChangeProposed:
    """Change the membership by one member; only the leader takes it."""

    id: int
    change: Change


@dataclass(frozen=True, slots=True)
class TransferLeadership:
    """Make ``target`` the leader.  Given up after an election timeout; only the leader takes it."""

    id: int
    target: MemberId


@dataclass(frozen=True, slots=True)
class SnapshotSent:
    """The shell's attempt at a ``SendSnapshot`` ended; ``mark`` is None if it failed."""

    to: MemberId
    mark: SnapshotMark | None
