"""What happens to a member, as its shell tells the member's core.

Owns: the events, except those that go to the consensus as they are: ``Received``, ``SnapshotSent``.
What the shell waits with (commands, readers, tickets) is opaque to the core: it
comes back in the effect that ends the waiting.
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
    """A transaction whose outcome somebody waits for."""

    @property
    def payload(self) -> bytes:
        """What goes into the log."""

    @property
    def transaction(self) -> Transaction:
        """What it says; with a request id it takes effect once, however often it comes."""


@value
class Ticked:
    """A tick's time has passed.

    Ticks that were missed, because the process stood still, are not made up for: what arrived
    meanwhile is to be heard first.
    """


@value
class AnnounceDue:
    """It is time to tell followers what is committed."""


@value
class Undelivered:
    """This message, which was to be sent, certainly does not arrive."""

    message: Message


@value
class LinkLost:
    """The connection to ``peer`` has ended, and what was on it may be lost."""

    peer: MemberId


# Proposing.


@value
class Submitted:
    """Somebody wants ``commands`` proposed, wherever the leader is."""

    commands: Sequence[Command]


@value
class ProposalsGathered:
    """Waiting brings no more proposals for the next batch."""


@value
class PatienceLost:
    """The next batch has waited long enough for the one before it."""


# Reading.


@value
class ReadersCame:
    """``readers`` want to read what is committed by now; others may join until it is asked for."""

    readers: object


@value
class ReadersGathered:
    """Waiting brings no more readers."""


# The disk and the state machine.


@value
class Durable:
    """Every write up to ``sequence`` is durable."""

    sequence: int


@value
class PortionApplied:
    """The state machine has taken what it was given; if ``full`` it takes no more for now."""

    full: bool


@value
class ApplyMore:
    """Others have had their turn."""


@value
class Stored:
    """Everything up to ``through`` is durable in the state machine; ``full`` as before."""

    through: int
    full: bool


@value
class Installed:
    """The state machine is durably what ``mark`` says."""

    mark: SnapshotMark


@value
class Pinned:
    """Entries behind ``index`` are to be kept for ``member``, within bounds."""

    member: MemberId
    index: int


@value
class Unpinned:
    """They are not needed any more."""

    member: MemberId


# The group.


@value
class ChangeWanted:
    """Somebody wants to change the membership, and waits with ``ticket``."""

    ticket: object
    change: Change


@value
class TransferWanted:
    """Somebody wants ``target`` to lead."""

    ticket: object
    target: MemberId


@value
class HandOverWanted:
    """Somebody wants one of ``reachable`` to lead, if this member does."""

    ticket: object
    reachable: tuple[MemberId, ...]


@value
class Abandoned:
    """Nobody waits with ``ticket`` any more."""

    ticket: object


@value
class Ended:
    """The member stops because of ``error``: nobody will learn anything."""

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
