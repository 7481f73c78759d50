"""The history file's entry for a revision: its time, its author and the keys it wrote.

    revision u64  ->  time_ms u64 | (key length u16 | key)*

Owns: the format of the entry, big-endian.  An author's name stands among the keys, its length
marked by the highest bit.  Invariant: splitting an entry returns the parts that were packed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Final

_TIME = Struct(">Q")
_LENGTH = Struct(">H")
_AUTHOR_MARK: Final = 0x8000


def packed_revision(time_ms: int, author: bytes, keys: Iterable[bytes]) -> bytes:
    """Return the entry of a revision; ``author`` may be empty."""
    parts = [_TIME.pack(time_ms)]
    if author:
        parts += (_LENGTH.pack(_AUTHOR_MARK | len(author)), author)
    for key in keys:
        parts += (_LENGTH.pack(len(key)), key)
    return b"".join(parts)


def time_of_revision(stored: bytes) -> int:
    """Return the time when an entry's revision was proposed, in milliseconds since 1970."""
    return int(_TIME.unpack_from(stored)[0])


def split_revision(stored: bytes) -> tuple[bytes, list[bytes]]:
    """Return the author and the keys that a revision's entry holds."""
    offset, author, keys = _TIME.size, b"", []
    while offset < len(stored):
        (length,) = _LENGTH.unpack_from(stored, offset)
        start = offset + _LENGTH.size
        offset = start + (length & ~_AUTHOR_MARK)
        if length & _AUTHOR_MARK:
            author = stored[start:offset]
        else:
            keys.append(stored[start:offset])
    return author, keys


def renamed_revision(stored: bytes, rename: Callable[[bytes], bytes]) -> bytes:
    """Return the entry with each of its keys as ``rename`` returns it."""
    author, keys = split_revision(stored)
    return packed_revision(time_of_revision(stored), author, map(rename, keys))
