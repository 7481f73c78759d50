"""The replicated state machine: the store's real keyspace and commands, and sessions above them.

Owns: the format of a simulated command: its client and request number, then the store's own
command. A repeated request takes effect once: each client's last outcome is kept, and shows what
the store's own memory of requests must say on every member, also after snapshots.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from struct import Struct

from podraft.server.raft.entries import Entry, EntryKind
from podraft.server.state.commands import decode_command, encode_command
from podraft.server.state.datastore import (
    Event,
    Outcome,
    Record,
    Repeated,
    RevisionCompactedError,
    Transaction,
)
from podraft.server.state.keyspace import Keyspace
from podraft.server.state.requests import REQUEST_BYTES, AppliedRequest
from simulation.world import SimulationFailedError

_REQUEST = Struct("<II")


@dataclass(frozen=True, slots=True)
class Request:
    """A client's transaction; its ``number`` grows with every request."""

    client: int
    number: int
    transaction: Transaction

    @property
    def repeatable(self) -> bool:
        """Whether the request takes effect once, however often it comes."""
        return bool(self.transaction.request)


def encode_request(request: Request, *, repeatable: bool) -> bytes:
    head = _REQUEST.pack(request.client, request.number)
    transaction = request.transaction
    if repeatable:
        transaction = replace(transaction, request=head.ljust(REQUEST_BYTES, b"."))
    return head + encode_command(transaction, 0)


_decoded: dict[bytes, Request] = {}


def decode_request(payload: bytes) -> Request:
    """Decode a request; all members decode the same bytes, so the last results are kept."""
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
    """An answer to a client, with the store's revision then; no outcome means a stale request."""

    outcome: Outcome | None
    revision: int
    # Whether the request itself created this revision.
    effective: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """A snapshot of a machine."""

    index: int = 0
    revision: int = 0
    records: tuple[Record, ...] = ()
    sessions: tuple[tuple[int, tuple[int, Answer]], ...] = ()
    compacted: int = 0
    history: tuple[tuple[Event, ...], ...] = ()
    requests: tuple[AppliedRequest, ...] = ()


class Machine:
    """One member's state: records, the events since ``compacted``, sessions."""

    def __init__(self, image: Image) -> None:
        self.index = image.index
        self.keyspace = Keyspace(image.records, image.revision, image.requests)
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
        if not request.repeatable:
            return self._take(request)
        number, answer = self.sessions.get(request.client, (0, None))
        if request.number < number:
            return Answer(None, self.revision), ()
        if answer is not None and request.number == number:
            self._check_repeated(request, answer)
            return answer, ()
        answer, events = self._take(request)
        self.sessions[request.client] = (request.number, answer)
        return answer, events

    def _take(self, request: Request) -> tuple[Answer, tuple[Event, ...]]:
        outcome, events = self.keyspace.apply(request.transaction, self.revision + 1)
        if events:
            self.history.append(events)
        return Answer(outcome, self.revision, bool(events)), events

    def _check_repeated(self, request: Request, first: Answer) -> None:
        """Check that the store itself recognises a repeated transaction that had an effect."""
        if first.effective:
            again = self.keyspace.apply(request.transaction, self.revision + 1)
            if again != (Repeated(first.revision), ()):
                raise SimulationFailedError(
                    f"request {request.number} of client {request.client}, which took revision "
                    f"{first.revision}, was repeated: {again}"
                )

    def compact(self, revision: int) -> None:
        if revision > self.compacted:
            del self.history[: revision - self.compacted]
            self.compacted = revision

    def events_after(self, revision: int, limit: int) -> list[tuple[Event, ...]]:
        """Return the events of up to ``limit`` revisions after ``revision``."""
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
            tuple(self.keyspace.requests.all()),
        )
