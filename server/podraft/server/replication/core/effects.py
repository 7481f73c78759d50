"""What the shell owes a member's core.

Owns: the effects.  They are carried out in their order; the order is the contract that safety rests
on: a message that claims persistence is only sent by an effect that follows ``Durable``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from podraft.server.raft.effects import SendSnapshot, Write
from podraft.server.raft.entries import Entry, HardState, SnapshotMark
from podraft.server.raft.messages import Message
from podraft.server.raft.status import KnownMembership, Leadership
from podraft.server.replication.core.events import MemberEvent
from podraft.server.values import value


@value
class Send:
    """Send these; what certainly does not arrive is told as ``Undelivered``."""

    messages: Sequence[Message]


@value
class CompactLog:
    """Let the log on disk begin behind ``mark``, behind all writes so far."""

    mark: SnapshotMark
    hard_state: HardState


@value
class Apply:
    """Give the state machine these entries, then tell ``PortionApplied`` before anything else.

    ``commands[i]`` is what this member proposed as ``entries[i]``, if it did: its outcome is that
    of the entry.
    """

    entries: Sequence[Entry]
    commands: Sequence[Any]


@value
class Install:
    """Put the received snapshot ``mark`` in the place of the state machine.

    Then tell ``Installed``; writes to the log are held back until then.
    """

    mark: SnapshotMark


@value
class Unanswered:
    """``command`` gets an error in place of an outcome."""

    command: Any
    error: Exception


@value
class Settled:
    """What ``waiter`` (readers, a ticket) waits for has happened; or it gets ``error``."""

    waiter: Any
    error: Exception | None = None


@value
class LeaderChanged:
    """Somebody else leads now, or nobody."""

    leadership: Leadership


@value
class MembershipChanged:
    """Another membership is in force or certain now."""

    membership: KnownMembership


@value
class After:
    """Tell ``event`` when ``delay_s`` has passed; 0: in the next turn."""

    delay_s: float
    event: MemberEvent


@value
class Gather:
    """Tell ``event`` when waiting brings no more company, a few milliseconds from now at most.

    Company is complete when ``expected`` wait; 0: it is not known how many may come.
    """

    event: MemberEvent
    expected: int = 0


MemberEffect: TypeAlias = (
    Send
    | Write
    | CompactLog
    | Apply
    | Install
    | SendSnapshot
    | Unanswered
    | Settled
    | LeaderChanged
    | MembershipChanged
    | After
    | Gather
)
Emit: TypeAlias = Callable[[MemberEffect], None]
