"""The events of a member, as its shell reports them to the member's core.

Owns: the events, except those that go to the consensus unchanged: ``Received``, ``SnapshotSent``.
The shell's handles for those that wait (commands, readers, tickets) are opaque to the core: they
come back in the effect that ends the wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from podraft.server.raft.core import Received
from podraft.server.raft.entries import MemberId, SnapshotMark
from podraft.server.raft.events import Change, SnapshotSent
from podraft.server.raft.messages import Message
from podraft.server.state.datastore import Transaction
from podraft.server.values import value


class Command(Protocol):
    """A transaction whose outcome a caller awaits."""

    @property
    def payload(self) -> bytes:
        """The bytes that go into the log."""

    @property
    def transaction(self) -> Transaction:
        """The transaction; with a request id it takes effect once, however often it is proposed."""


@value
class Ticked:
    """A tick's time has passed.

    Ticks missed while the process stood still are not made up for: messages that arrived
    meanwhile are to be heard first.
    """


@value
class AnnounceDue:
    """It is time to tell followers what is committed."""


@value
class Undelivered:
    """This message, which was to be sent, will certainly not arrive."""

    message: Message


@value
class LinkLost:
    """The connection to ``peer`` has ended, and what was on it may be lost."""

    peer: MemberId


# Proposing.


@value
class Submitted:
    """``commands`` are to be proposed, wherever the leader is."""

    commands: Sequence[Command]


@value
class ProposalsGathered:
    """No more proposals are to be expected for the next batch."""


@value
class PatienceLost:
    """The next batch has waited long enough for the one before it."""


# Reading.


@value
class ReadersCame:
    """``readers`` want everything committed by now; others may join until the leader is asked."""

    readers: object


@value
class ReadersGathered:
    """No more readers are to be expected."""


# The disk and the state machine.


@value
class Durable:
    """Every write up to ``sequence`` is durable."""

    sequence: int


@value
class PortionApplied:
    """The state machine has applied a portion; if ``full`` it takes no more for now."""

    full: bool


@value
class ApplyMore:
    """Other tasks have had their turn, so the next portion may be applied."""


@value
class Stored:
    """Everything up to ``through`` is durable in the state machine; ``full`` as before."""

    through: int
    full: bool


@value
class Installed:
    """The state machine is durably that of ``mark``."""

    mark: SnapshotMark


@value
class Pinned:
    """Entries behind ``index`` are to be kept for ``member``, within bounds."""

    member: MemberId
    index: int


@value
class Unpinned:
    """The entries kept for ``member`` are no longer needed."""

    member: MemberId


# The group.


@value
class ChangeWanted:
    """A change of the membership is requested; its caller waits with ``ticket``."""

    ticket: object
    change: Change


@value
class TransferWanted:
    """``target`` is requested to lead."""

    ticket: object
    target: MemberId


@value
class HandOverWanted:
    """One of ``reachable`` is requested to lead in place of this member, if this member leads."""

    ticket: object
    reachable: tuple[MemberId, ...]


@value
class Abandoned:
    """The caller that waited with ``ticket`` has given up."""

    ticket: object


@value
class Ended:
    """The member stops because of ``error``: all waits end with it."""

    error: Exception


MemberEvent: TypeAlias = (
    Ticked
    | AnnounceDue
    | Received
    | Undelivered
    | LinkLost
    | Submitted
    | ProposalsGathered
    | PatienceLost
    | ReadersCame
    | ReadersGathered
    | Durable
    | PortionApplied
    | ApplyMore
    | Stored
    | Installed
    | SnapshotSent
    | Pinned
    | Unpinned
    | ChangeWanted
    | TransferWanted
    | HandOverWanted
    | Abandoned
    | Ended
)
