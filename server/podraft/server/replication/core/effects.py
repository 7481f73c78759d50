"""The effects that a member's core asks of its shell.

Owns: the effects.  They are carried out in their order; the order is the contract that safety rests
on: a message that claims persistence is sent only by an effect that follows ``Durable``.
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
    """Send these messages; report those that certainly do not arrive as ``Undelivered``."""

    messages: Sequence[Message]


@value
class CompactLog:
    """Make the log on disk begin behind ``mark``, after all writes so far."""

    mark: SnapshotMark
    hard_state: HardState


@value
class Apply:
    """Apply these entries to the state machine, then report ``PortionApplied`` before all else.

    ``commands[i]`` is the command that this member proposed as ``entries[i]``, if it did: its
    outcome is that of the entry.
    """

    entries: Sequence[Entry]
    commands: Sequence[Any]


@value
class Install:
    """Replace the state machine by the received snapshot ``mark``.

    Then report ``Installed``; writes to the log are held back until then.
    """

    mark: SnapshotMark


@value
class Unanswered:
    """Give ``command`` an error in place of an outcome."""

    command: Any
    error: Exception


@value
class Settled:
    """End the wait of ``waiter`` (readers, a ticket), with ``error`` if there is one."""

    waiter: Any
    error: Exception | None = None


@value
class LeaderChanged:
    """Another member leads now, or none."""

    leadership: Leadership


@value
class MembershipChanged:
    """Another membership is now in force or certain."""

    membership: KnownMembership


@value
class After:
    """Report ``event`` after ``delay_s`` seconds; 0: in the next turn of the loop."""

    delay_s: float
    event: MemberEvent


@value
class Gather:
    """Report ``event`` when no more arrivals are to be expected, within a few milliseconds.

    One that comes alone, where ``expected`` is 1, does not wait; 0: their number is not known.
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
