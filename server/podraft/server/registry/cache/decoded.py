"""Decoded copies of one kind's stored objects, for those calls that must look inside.

Owns: a cache from (key, revision) to message; those of all kinds share a bounded number of bytes,
measured by the encoded size.  Invariant: a cached message is never changed; callers copy it first.
"""

from __future__ import annotations

from typing import Any, Final

from podraft.api.kinds import AnyKind
from podraft.server.state.datastore import Record

_BYTES_MAX: Final = 24 * 1024 * 1024


class DecodedBytes:
    """The bytes that the decoded objects of all kinds take; the kind with the most gives way."""

    def __init__(self, bytes_max: int = _BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._sharing: list[DecodedObjects] = []

    def share(self, kind: AnyKind) -> DecodedObjects:
        """Return the decoded objects of a kind, which are none yet."""
        objects = DecodedObjects(kind, self)
        self._sharing.append(objects)
        return objects

    def part(self, objects: DecodedObjects) -> None:
        """Give a kind that has gone a bound of its own, for calls that have begun."""
        self._sharing.remove(objects)
        self._bytes -= objects.size
        objects.shared = DecodedBytes(self._bytes_max)
        objects.shared._sharing.append(objects)
        objects.shared._bytes = objects.size

    def changed(self, size: int) -> None:
        """Count ``size`` bytes more, and make room if the sum is too large."""
        self._bytes += size
        while self._bytes > self._bytes_max:
            fullest = max(self._sharing, key=lambda objects: objects.size)
            given = fullest.drop_oldest()
            if not given:
                return
            self._bytes -= given


class DecodedObjects:
    """The decoded values of one kind; each is decoded at most once while it stays here."""

    def __init__(self, kind: AnyKind, shared: DecodedBytes) -> None:
        self.size = 0
        self._decode = kind.message.FromString
        self.shared = shared
        # In order of insertion: the oldest go first.
        self._entries: dict[bytes, tuple[int, int, Any]] = {}

    def get(self, key: bytes, mod_revision: int, value: bytes) -> Any:
        """Return the message in ``value``, which ``key`` has held since ``mod_revision``."""
        entry = self._entries.get(key)
        if entry is not None and entry[0] == mod_revision:
            return entry[2]
        message = self._decode(value)
        if entry is not None and entry[0] > mod_revision:
            return message  # An old revision is read: do not push out the newer one.
        self._store(key, mod_revision, len(value), message)
        return message

    def of(self, record: Record) -> Any:
        """Return the message that a record holds."""
        return self.get(record.key, record.mod_revision, record.value)

    def _store(self, key: bytes, mod_revision: int, size: int, message: Any) -> None:
        old = self._entries.pop(key, None)
        self._entries[key] = (mod_revision, size, message)
        self._changed(size - old[1] if old is not None else size)

    def forget(self, key: bytes) -> None:
        """Drop what a removed key held."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._changed(-entry[1])

    def drop_oldest(self) -> int:
        """Drop the oldest object unless it is the only one; return how many bytes it took."""
        if len(self._entries) < 2:
            return 0
        size = self._entries.pop(next(iter(self._entries)))[1]
        self.size -= size
        return size

    def _changed(self, size: int) -> None:
        self.size += size
        self.shared.changed(size)
