"""What happens to a member, as its shell tells the member's core.

Owns: the events.  What the shell waits with (commands, readers, tickets) is opaque to the core: it
comes back in the effect that ends the waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from podraft.server.raft.entries import MemberId, SnapshotMark
from podraft.server.raft.events import Change, SnapshotSent
from podraft.server.raft.messages import Message
from podraft.server.state.datastore import Transaction


class Command(Protocol):
    """A transaction whose outcome somebody waits for."""

    @property
    def payload(self) -> bytes:
        """What goes into the log."""

    @property
    def transaction(self) -> Transaction:
        """What it says; with a request id it takes effect once, however often it comes."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """A tick's time has passed.

    Ticks that were missed, because the process stood still, are not made up for: what arrived
    meanwhile is to be heard first.
    """


@dataclass(frozen=True, slots=True)
class AnnounceDue:
    """It is time to tell followers what is committed."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Another member says something."""

    message: Message


@dataclass(frozen=True, slots=True)
class Undelivered:
    """This message, which was to be sent, certainly does not arrive."""

    message: Message


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The connection to ``peer`` has ended, and what was on it may be lost."""

    peer: MemberId


# Proposing.


@dataclass(frozen=True, slots=True)
class Submitted:
    """Somebody wants ``commands`` proposed, wherever the leader is."""

    commands: Sequence[Command]


@dataclass(frozen=True, slots=True)
class ProposalsGathered:
    """Waiting brings no more proposals for the next batch."""


@dataclass(frozen=True, slots=True)
class PatienceLost:
    """The next batch has waited long enough for the one before it."""


# Reading.


@dataclass(frozen=True, slots=True)
class ReadersCame:
    """``readers`` want to read what is committed by now; others may join until it is asked for."""

    readers: object


@dataclass(frozen=True, slots=True)
class ReadersGathered:
    """Waiting brings no more readers."""


# The disk and the state machine.


@dataclass(frozen=True, slots=True)
class Durable:
    """Every write up to ``sequence`` is durable."""

    sequence: int


@dataclass(frozen=True, slots=True)
class PortionApplied:
    """The state machine has taken what it was given; if ``full`` it takes no more for now."""

    full: bool


@dataclass(frozen=True, slots=True)
class ApplyMore:
    """Others have had their turn."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything up to ``through`` is durable in the state machine; ``full`` as before."""

    through: int
    full: bool


@dataclass(frozen=True, slots=True)
class Installed:
    """The state machine is durably what ``mark`` says."""

    mark: SnapshotMark


@dataclass(frozen=True, slots=True)
class Pinned:
    """Entries behind ``index`` are to be kept for ``member``, within bounds."""

    member: MemberId
    index: int


@dataclass(frozen=True, slots=True)
class Unpinned:
    """They are not needed any more."""

    member: MemberId


# The group.


@dataclass(frozen=True, slots=True)
class ChangeWanted:
    """Somebody wants to change the membership, and waits with ``ticket``."""

    ticket: object
    change: Change


@dataclass(frozen=True, slots=True)
class TransferWanted:
    """Somebody wants ``target`` to lead."""

    ticket: object
    target: MemberId


@dataclass(frozen=True, slots=True)
class HandOverWanted:
    """Somebody wants one of ``reachable`` to lead, if this member does."""

    ticket: object
    reachable: tuple[MemberId, ...]


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Nobody waits with ``ticket`` any more."""

    ticket: object


@dataclass(frozen=True, slots=True)
class Ended:
    """The member stops because of ``error``: nobody will learn anything."""

    error: Exception


MemberEvent: TypeAlias = (
    Ticked
    | AnnounceDue
    | Heard
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
