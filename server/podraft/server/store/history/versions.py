"""One version of a key in the history file.

Owns: its format, and the cursor movements that find one.

    key | 0x00 | revision u64  ->  create_revision u64 | kind u8 | value, sealed

Invariant: a value opens only as this version of this key.  A deletion is sealed, too, as an empty
value.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any, Final

from podraft.server.encryption.sealing import Sealer, SealError, key_of
from podraft.server.state.datastore import Event, Record
from podraft.server.store.directory import StoreOpenError

SUFFIX_BYTES: Final = 9
_NUMBER = Struct(">Q")
_HEAD = Struct(">QB")
_HEAD_BYTES = _HEAD.size
_PUT, _TOMBSTONE = 1, 2
_CONTEXT: Final = b"version\0"


class HistoryFormatError(StoreOpenError):
    """The history file has another layout, or is damaged."""


class Versions:
    """The encoding and decoding of versions, whose values ``sealer`` seals."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def stored(self, event: Event) -> tuple[bytes, bytes]:
        """Return the entry for the version that ``event`` made."""
        name = event.key + b"\0" + _NUMBER.pack(event.revision)
        value = event.value
        head = _HEAD.pack(event.create_revision, _TOMBSTONE if value is None else _PUT)
        return name, head + self._sealer.seal(value or b"", _CONTEXT + head + name)

    def record(self, name: bytes, stored: bytes) -> Record | None:
        """Return the record of an entry; None for a deletion.

        Raises:
            HistoryFormatError: The entry was altered, or its data key is not known here.
        """
        value = self._opened(name, stored)
        created, kind = _HEAD.unpack_from(stored)
        if kind == _TOMBSTONE:
            return None
        (revision,) = _NUMBER.unpack_from(name, len(name) - _NUMBER.size)
        return Record(name[:-SUFFIX_BYTES], value, created, revision)

    def newest(self, cursor: Any) -> Iterator[Record]:
        """Yield the newest record of every live key, in descending order of keys.

        All objects pass through here before a server serves, so it avoids calls for each of them.

        Raises:
            HistoryFormatError: As in ``record``.
        """
        opened = self._sealer.open
        key = b""
        for name, stored in cursor.iterprev():
            if name[:-SUFFIX_BYTES] == key:
                # An older version: go on before the key's first version.
                cursor.set_range(key + b"\0")
                continue
            key = name[:-SUFFIX_BYTES]
            try:
                value = opened(stored, _CONTEXT + stored[:_HEAD_BYTES] + name, _HEAD_BYTES)
            except SealError as error:
                raise _damaged(name, error) from None
            created, kind = _HEAD.unpack_from(stored)
            if kind != _TOMBSTONE:
                yield Record(key, value, created, int.from_bytes(name[-_NUMBER.size :], "big"))

    def resealed(self, name: bytes, stored: bytes) -> bytes | None:
        """Return the entry sealed with the active key; None if it is already sealed with it."""
        if key_of(stored[_HEAD_BYTES:]) == self._sealer.active_id:
            return None
        head = stored[:_HEAD_BYTES]
        return head + self._sealer.seal(self._opened(name, stored), _CONTEXT + head + name)

    def renamed(self, name: bytes, stored: bytes, key: bytes) -> tuple[bytes, bytes]:
        """Return the entry of the same version under another key.

        Raises:
            HistoryFormatError: The entry was altered, or its data key is not known here.
        """
        head, renamed = stored[: _HEAD.size], key + name[-SUFFIX_BYTES:]
        value = self._opened(name, stored)
        return renamed, head + self._sealer.seal(value, _CONTEXT + head + renamed)

    def _opened(self, name: bytes, stored: bytes) -> bytes:
        try:
            return self._sealer.open(stored, _CONTEXT + stored[:_HEAD_BYTES] + name, _HEAD_BYTES)
        except SealError as error:
            raise _damaged(name, error) from None

    def at(self, cursor: Any, key: bytes, revision: int) -> Record | None:
        """Return the record of ``key`` at ``revision``; the cursor ends up anywhere."""
        above = key + b"\0" + _NUMBER.pack(revision + 1)
        found = cursor.prev() if cursor.set_range(above) else cursor.last()
        if not found or cursor.key()[:-SUFFIX_BYTES] != key:
            return None
        return self.record(*cursor.item())

    def event(self, cursor: Any, key: bytes, revision: int) -> Event:
        """Return the event by which ``revision``, which is not compacted, changed ``key``."""
        name = key + b"\0" + _NUMBER.pack(revision)
        if not cursor.set_key(name):
            raise HistoryFormatError(f"version {revision} of {key!r} is missing")
        record = self.record(*cursor.item())
        previous = None
        if cursor.prev() and cursor.key()[:-SUFFIX_BYTES] == key:
            previous = self.record(*cursor.item())
        if record is None:
            return Event(revision, key, None, 0, previous)
        return Event(revision, key, record.value, record.create_revision, previous)


def _damaged(name: bytes, error: SealError) -> HistoryFormatError:
    key, revision = name[:-SUFFIX_BYTES], int.from_bytes(name[-_NUMBER.size :], "big")
    return HistoryFormatError(f"version {revision} of {key!r}: {error}")


def from_unsealed(name: bytes, stored: bytes) -> Event:
    """Return the event of an entry of layout 1, in which values were not sealed."""
    created, kind = _HEAD.unpack_from(stored)
    (revision,) = _NUMBER.unpack_from(name, len(name) - _NUMBER.size)
    value = stored[_HEAD_BYTES:] if kind == _PUT else None
    return Event(revision, name[:-SUFFIX_BYTES], value, created, None)


def is_tombstone(stored: bytes) -> bool:
    """Return whether an entry records that its key was deleted."""
    return bool(_HEAD.unpack_from(stored)[1] == _TOMBSTONE)


def remove_superseded(cursor: Any, key: bytes, revision: bytes) -> None:
    """Delete the version before ``revision``, and ``revision``'s own if it is a tombstone."""
    name = key + b"\0" + revision
    if not cursor.set_key(name):
        return
    tombstone = is_tombstone(cursor.value())
    if cursor.prev() and cursor.key()[:-SUFFIX_BYTES] == key:
        cursor.delete()
    if tombstone and cursor.set_key(name):
        cursor.delete()
