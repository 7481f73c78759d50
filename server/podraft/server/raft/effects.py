"""The effects that the shell must carry out after a step of the core.

Owns: ``Effects`` and its parts; the order in which they are carried out is the contract that
safety rests on.
"""

from __future__ import annotations

from podraft.server.raft.entries import Entry, HardState, MemberId, SnapshotMark
from podraft.server.raft.events import Refusal
from podraft.server.raft.messages import Message
from podraft.server.values import value


@value
class Write:
    """A write to the disk, its parts in field order; writes go in the order of ``sequence``.

    A crash may leave any prefix of the writes that were not yet reported ``Persisted``.

    ``snapshot`` replaces log and state machine by the data received with it.
    ``entries`` are consecutive; the first one replaces everything in the log from its index on.
    """

    sequence: int
    snapshot: SnapshotMark | None
    hard_state: HardState | None
    entries: tuple[Entry, ...]


@value
class ReadReady:
    """A read may be answered as soon as the state machine has applied ``index``."""

    id: int
    index: int


@value
class Refused:
    """A proposal, read, change or transfer that did not and will not happen."""

    id: int
    reason: Refusal


@value
class SendSnapshot:
    """A request to send ``to`` the newest snapshot.

    It goes as an ``InstallSnapshot`` of ``term``; ``SnapshotSent`` reports how that ended.
    """

    to: MemberId
    term: int


@value
class Effects:
    """The effects of one step, which the shell carries out in field order.

    ``messages_now`` may leave at once, even before anything of ``write`` is durable: a leader's
    entries go to its followers while its own disk works.
    ``write`` goes to the disk; the shell reports ``Persisted`` when it is durable.
    ``messages_after_persist`` leave when this write and all earlier ones are durable: a vote
    or an acknowledgement that a crash could undo is a lie.  Without a ``write`` they still wait for
    earlier ones.
    ``committed`` entries are durable here and on a majority: apply them in order, each once, then
    report ``Applied``.  After a ``write.snapshot`` they continue behind it.
    ``reads``, ``refused``: answers to requests.
    ``snapshots`` are to be sent in the background.
    """

    messages_now: tuple[Message, ...] = ()
    write: Write | None = None
    messages_after_persist: tuple[Message, ...] = ()
    committed: tuple[Entry, ...] = ()
    reads: tuple[ReadReady, ...] = ()
    refused: tuple[Refused, ...] = ()
    snapshots: tuple[SendSnapshot, ...] = ()


NOTHING = Effects()
