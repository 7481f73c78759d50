"""The narrow interface between the API server and the store that keeps its state.

Owns: the vocabulary of the store (record, event, transaction, guard) and the
``Datastore`` protocol.  Everything above this line works on keys and bytes;
everything below may be one embedded member, a Raft group or an etcd cluster.

Invariants that every implementation keeps, and that the conformance tests check:

* One cluster-wide revision; every successful transaction that writes takes the
  next one, and all of its writes share it.
* A transaction is all or nothing.  It is acknowledged only when it is durable.
* Guards are checked against the state just before the transaction's revision.
* A stored value ends with the suffix that ``revision_suffix`` made of the
  revision that wrote it: an object's bytes carry their own resourceVersion.
* A watch from revision R yields every event after R, in revision order, each
  once, all events of one revision in one batch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from podraft.server.values import value

RevisionSuffix: TypeAlias = Callable[[int], bytes]


class Record(NamedTuple):
    """One key's state at some revision.

    A tuple, because one is made for every key when a store opens, and a frozen dataclass would
    take three times as long.
    """

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int


@value
class Guard:
    """A condition on one key: ``mod_revision`` 0 requires that the key is absent."""

    key: bytes
    mod_revision: int


@value
class Put:
    """A write of ``value`` at ``key``; ``stamped`` appends the revision's suffix to the value."""

    key: bytes
    value: bytes
    stamped: bool = True


@value
class Delete:
    """A removal of ``key``; removing an absent key is no event."""

    key: bytes


@value
class Transaction:
    """Writes that take effect together, if every guard holds.

    A key is written at most once in a transaction.  ``author`` is the name of the user who
    asked for it, at most 255 bytes; empty: the server itself.  Only history uses it.
    ``request``, 16 bytes or none, identifies the request that it serves: of the transactions of
    one request, at most one takes effect, for as long as the store remembers it (minutes).
    ``digest``, 16 bytes or none, is the digest of the request's content: it decides nothing here,
    and is returned when the same request comes again.
    """

    guards: tuple[Guard, ...]
    writes: tuple[Put | Delete, ...]
    author: bytes = b""
    request: bytes = b""
    digest: bytes = b""


@value
class Committed:
    """A success, at ``revision`` (the current revision if the transaction wrote nothing)."""

    revision: int


@value
class Repeated:
    """A repetition: the same request took effect earlier, at ``revision``; nothing was written now.

    ``digest`` is the digest of the request's content at that time; empty if it is not known.
    """

    revision: int
    digest: bytes = b""


@value
class GuardFailed:
    """A refusal: ``guard`` met ``found`` (None: the key is absent), so nothing was written."""

    guard: Guard
    found: Record | None


Outcome: TypeAlias = Committed | GuardFailed | Repeated


@value
class Event:
    """One key's change at ``revision``; ``value`` is None when the key was deleted.

    ``previous`` is the record before the change, None when the key is new.
    """

    revision: int
    key: bytes
    value: bytes | None
    create_revision: int
    previous: Record | None


@value
class Page:
    """Part of a range at one revision, in key order; ``more`` if the limit cut it short.

    ``remaining`` is the number of records that follow, None if the store would have to count them.
    """

    records: Sequence[Record]
    revision: int
    more: bool
    remaining: int | None = None


@value
class EventBatch:
    """Events of one or more whole revisions, up to and including ``revision``.

    Without events it is a bookmark: nothing more will come at or below ``revision``.
    """

    revision: int
    events: Sequence[Event]


class RevisionCompactedError(Exception):
    """History at ``revision`` is gone; the oldest that remains is ``oldest``."""

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(f"revision {revision} was compacted; the oldest kept is {oldest}")
        self.oldest = oldest


class FutureRevisionError(Exception):
    """``revision`` has not been reached; the store is at ``current``."""

    def __init__(self, revision: int, current: int) -> None:
        super().__init__(f"revision {revision} is in the future; the store is at {current}")


class StoreOverloadedError(Exception):
    """Too many transactions are waiting; this one was not proposed.  Try again later."""


class TransactionTooLargeError(Exception):
    """The transaction exceeds what the store accepts at once; none of it was proposed."""


class StoreFailedError(Exception):
    """The store stopped (a disk error, a violated invariant); nothing more is accepted."""


class StoreUnavailableError(StoreFailedError):
    """The store cannot answer now (no leader, or no external store); the process goes on.

    The message is for the caller and states whether the outcome is known.
    """


class SlowWatcherError(Exception):
    """The watcher fell too far behind and was dropped; resume from its last revision."""


class Datastore(Protocol):
    """A linearizable, multi-version, watchable map from keys to bytes."""

    @property
    def revision(self) -> int:
        """The last applied revision."""

    async def get(self, key: bytes) -> Record | None:
        """Return the newest record of ``key``."""

    async def range(
        self,
        prefix: bytes,
        *,
        start_after: bytes = b"",
        limit: int = 0,
        revision: int = 0,
    ) -> Page:
        """Return the records whose key begins with ``prefix``, at one revision.

        ``limit`` 0 is no limit, ``revision`` 0 the newest.  Keys up to and
        including ``start_after`` are left out.

        Raises:
            RevisionCompactedError: History at ``revision`` is gone.
            FutureRevisionError: ``revision`` has not been reached.
        """

    async def transact(self, transaction: Transaction) -> Outcome:
        """Apply ``transaction``; return when its outcome is durable.

        Raises:
            ValueError: A key is malformed or written twice; nothing was proposed.
            TransactionTooLargeError: More bytes than the store accepts; nothing was proposed.
            StoreOverloadedError: The queue is full; nothing was proposed.
            StoreFailedError: The outcome is unknown or the store stopped.
        """

    async def requested(self, request: bytes) -> Repeated | None:
        """Return how a transaction of ``request`` took effect.

        None: none has taken effect as far as this member has applied, or it is forgotten.
        """

    def watch(self, prefix: bytes, start_revision: int) -> AsyncIterator[EventBatch]:
        """Yield the changes below ``prefix`` after ``start_revision``, then live ones.

        A watcher that is idle while the store's revision advances gets a bookmark now
        and then.  The iterator ends when the store closes.  Close it (``aclose``) when done.

        Raises (from the iterator):
            RevisionCompactedError: Events after ``start_revision`` are gone.
            FutureRevisionError: ``start_revision`` has not been reached.
            StoreFailedError: The store stopped.
            SlowWatcherError: The consumer fell behind the bounded buffer.
        """

    async def compact(self, revision: int) -> None:
        """Forget what only reads below ``revision`` can see; reads at ``revision`` keep working.

        Raises:
            FutureRevisionError: ``revision`` has not been reached.
        """

    async def close(self) -> None:
        """Stop the store; everything acknowledged is on disk."""
