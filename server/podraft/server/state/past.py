"""The past as a store with history can report it, beyond reads at a revision.

Owns: the vocabulary (version, change, what is kept) and the ``Past`` protocol.  A store
without it serves everything but time travel.

Invariant: answers are about whole revisions and, except about the newest, never change until
they are forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from podraft.server.state.datastore import Event
from podraft.server.state.retention import Retention


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key; ``value`` is None if the key was deleted.

    ``time_ms`` 0: the version's time and author are forgotten, and only its value is kept.
    """

    revision: int
    time_ms: int
    author: bytes
    value: bytes | None
    is_first: bool


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of one key, the newest first; ``more`` if older ones are kept."""

    items: Sequence[Version]
    more: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One transaction's change, with its time and its author."""

    revision: int
    time_ms: int
    author: bytes
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Kept:
    """The revisions that can be read; ``time_ms`` is the oldest one's, 0 if it is not known."""

    oldest: int
    time_ms: int
    newest: int
    retention: Retention


class BeforeHistoryError(Exception):
    """The time asked for is older than the history that is kept."""

    def __init__(self, kept: Kept) -> None:
        super().__init__("the moment is older than what is kept")
        self.kept = kept


class ChangeTooLargeError(Exception):
    """A transaction's change is too large for one answer."""


class Past(Protocol):
    """Reads of past states, and of who made them."""

    async def kept(self) -> Kept:
        """Return which revisions can be read."""

    async def revision_at(self, time_ms: int) -> int:
        """Return the newest revision that was proposed at or before a time.

        Raises:
            BeforeHistoryError: The time is older than what is kept.
        """

    async def time_of(self, revision: int) -> int:
        """Return when a revision was proposed, in milliseconds since 1970; 0: not known."""

    async def versions(self, key: bytes, *, before: int, limit: int, bytes_max: int) -> Versions:
        """Return the versions of ``key`` older than revision ``before`` (0: all)."""

    async def change(self, revision: int, *, bytes_max: int) -> Change:
        """Return what the transaction of ``revision`` changed.

        Raises:
            RevisionCompactedError: It is forgotten.
            FutureRevisionError: It has not been reached.
            ChangeTooLargeError: It is larger than ``bytes_max``.
        """
