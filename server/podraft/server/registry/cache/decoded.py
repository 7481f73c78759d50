"""Decoded copies of stored objects, for those calls that must look inside.

Owns: a cache from (key, revision) to message, bounded by the encoded size of what
it holds.  Invariant: a cached message is never changed; whoever wants to copies it.
"""

from __future__ import annotations

from typing import Any

from podraft.api.kinds import AnyKind

_BYTES_MAX = 24 * 1024 * 1024


class DecodedObjects:
    """Decodes stored values, each at most once while it stays in the cache."""

    def __init__(self, bytes_max: int = _BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        # In order of insertion: the oldest go first.
        self._entries: dict[bytes, tuple[int, int, Any]] = {}

    def get(self, kind: AnyKind, key: bytes, mod_revision: int, value: bytes) -> Any:
        """Return the message in ``value``, which ``key`` held since ``mod_revision``."""
        entry = self._entries.get(key)
        if entry is not None and entry[0] == mod_revision:
            return entry[2]
        message = kind.message.FromString(value)
        if entry is not None and entry[0] > mod_revision:
            return message  # An old revision is read: do not push out the newer one.
        self._store(key, mod_revision, len(value), message)
        return message

    def _store(self, key: bytes, mod_revision: int, size: int, message: Any) -> None:
        old = self._entries.pop(key, None)
        if old is not None:
            self._bytes -= old[1]
        self._entries[key] = (mod_revision, size, message)
        self._bytes += size
        while self._bytes > self._bytes_max and len(self._entries) > 1:
            oldest = next(iter(self._entries))
            self._bytes -= self._entries.pop(oldest)[1]

    def forget(self, key: bytes) -> None:
        """Drop what a removed key held."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry[1]
