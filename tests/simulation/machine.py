"""The replicated state machine: the store's real keyspace and commands, and sessions above them.

Owns: the format of a simulated command: which client's which request it is, then the store's
own command.  A request that was repeated takes effect once: each client's last outcome is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from podraft.server.raft.entries import Entry, EntryKind
from podraft.server.state.commands import decode_command, encode_command
from podraft.server.state.datastore import (
    Event,
    Outcome,
    Record,
    RevisionCompactedError,
    Transaction,
)
from podraft.server.state.keyspace import Keyspace

_REQUEST = Struct("<II")


@dataclass(frozen=True, slots=True)
class Request:
    """A client's transaction; ``number`` grows."""

    client: int
    number: int
    transaction: Transaction


def encode_request(request: Request) -> bytes:
    return _REQUEST.pack(request.client, request.number) + encode_command(request.transaction, 0)


_decoded: dict[bytes, Request] = {}


def decode_request(payload: bytes) -> Request:
    """All members decode the same bytes: the last results are kept."""
    request = _decoded.get(payload)
    if request is None:
        client, number = _REQUEST.unpack_from(payload)
        request = Request(client, number, decode_command(payload[_REQUEST.size :]).transaction)
        if len(_decoded) > 2_000:
            _decoded.clear()
        _decoded[payload] = request
    return request


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client learns; ``revision`` is where the store was then.  None: a stale request."""

    outcome: Outcome | None
    revision: int


@dataclass(frozen=True, slots=True)
class Image:
    """A snapshot of a machine."""

    index: int = 0
    revision: int = 0
    records: tuple[Record, ...] = ()
    sessions: tuple[tuple[int, tuple[int, Answer]], ...] = ()
    compacted: int = 0
    history: tuple[tuple[Event, ...], ...] = ()


class Machine:
    """One member's state: records, the events since ``compacted``, sessions."""

    def __init__(self, image: Image) -> None:
        self.index = image.index
        self.keyspace = Keyspace(image.records, image.revision)
        self.sessions = dict(image.sessions)
        self.compacted = image.compacted
        self.history = list(image.history)

    @property
    def revision(self) -> int:
        return self.keyspace.revision

    def apply(self, entry: Entry) -> tuple[Answer | None, tuple[Event, ...]]:
        self.index = entry.index
        if entry.kind is not EntryKind.COMMAND:
            return None, ()
        request = decode_request(entry.payload)
        number, answer = self.sessions.get(request.client, (0, None))
        if request.number < number:
            return Answer(None, self.revision), ()
        if request.number == number:
            return answer, ()
        outcome, events = self.keyspace.apply(request.transaction, self.revision + 1)
        if events:
            self.history.append(events)
        answer = Answer(outcome, self.revision)
        self.sessions[request.client] = (request.number, answer)
        return answer, events

    def compact(self, revision: int) -> None:
        if revision > self.compacted:
            del self.history[: revision - self.compacted]
            self.compacted = revision

    def events_after(self, revision: int, limit: int) -> list[tuple[Event, ...]]:
        """The events of up to ``limit`` revisions after ``revision``."""
        if revision < self.compacted:
            raise RevisionCompactedError(revision, self.compacted)
        skipped = revision - self.compacted
        return self.history[skipped : skipped + limit]

    def records(self) -> tuple[Record, ...]:
        return tuple(self.keyspace.range(b"", b"", 0)[0])

    def image(self) -> Image:
        return Image(
            self.index,
            self.revision,
            self.records(),
            tuple(self.sessions.items()),
            self.compacted,
            tuple(self.history),
        )
