"""Protobuf's wire format, where the API server composes messages from stored bytes.

Owns: how a stored value, a list item and a watch event look as bytes.
Invariant: bytes composed here decode to the same message as building and
encoding it would give; protobuf merges a message field that occurs twice, which is
what lets a value carry its revision as a suffix.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

from google.protobuf.message import Message

from podraft.api.core.v1.namespace_pb2 import Namespace
from podraft.api.meta.v1 import meta_pb2, requests_pb2
from podraft.api.objects.well_known import INITIAL_EVENTS_END
from podraft.server.state.revisions import revision_suffix

ADDED = requests_pb2.WATCH_EVENT_TYPE_ADDED
MODIFIED = requests_pb2.WATCH_EVENT_TYPE_MODIFIED
DELETED = requests_pb2.WATCH_EVENT_TYPE_DELETED
BOOKMARK = requests_pb2.WATCH_EVENT_TYPE_BOOKMARK

_LENGTH_DELIMITED = 2
_ITEMS = bytes([2 << 3 | _LENGTH_DELIMITED])
_LIST_METADATA = bytes([1 << 3 | _LENGTH_DELIMITED])
_EVENTS = bytes([1 << 3 | _LENGTH_DELIMITED])
_EVENT_OBJECT = bytes([2 << 3 | _LENGTH_DELIMITED])

# An object whose metadata has nothing but the annotation.
_END_OF_OBJECTS = Namespace(
    metadata=meta_pb2.ObjectMeta(annotations={INITIAL_EVENTS_END: "true"})
).SerializeToString()


def varint(number: int) -> bytes:
    """Return a non-negative number in protobuf's variable-length encoding."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class Parts:
    """An answer still in parts, so that it takes memory only when there is room for it."""

    __slots__ = ("_parts", "size")

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts
        self.size = sum(map(len, parts))

    def joined(self) -> bytes:
        """Return the whole answer."""
        return b"".join(self._parts)


class Costly:
    """An answer that takes memory already while it is made, and is therefore made in turn."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Awaitable[Parts]]) -> None:
        self.make = make


class Warned:
    """An answer, and what its caller is warned of."""

    __slots__ = ("answer", "warnings")

    def __init__(self, answer: bytes, warnings: Sequence[str]) -> None:
        self.answer = answer
        self.warnings = warnings


# The answer of a call: its bytes, or the way to make them.
Answer: TypeAlias = "bytes | Parts | Costly | Warned"


@lru_cache(maxsize=4096)
def _item_head(size: int) -> bytes:
    """Return the bytes before a list item; cached, as thousands of items have a few sizes."""
    return _ITEMS + varint(size)


def encode_list(values: Iterable[bytes], metadata: meta_pb2.ListMeta) -> Parts:
    """Return an encoded ``<Kind>List`` of stored values."""
    encoded = metadata.SerializeToString()
    parts = [_LIST_METADATA, varint(len(encoded)), encoded]
    for value in values:
        parts += (_item_head(len(value)), value)
    return Parts(parts)


def encode_event(event_type: int, value: bytes) -> bytes:
    """Return one ``events`` entry of a watch response; concatenated entries are a response."""
    size = varint(len(value))
    head = b"\x08" + bytes((event_type,)) + _EVENT_OBJECT + size
    return b"".join((_EVENTS, varint(len(head) + len(value)), head, value))


def encode_bookmark(revision: int) -> bytes:
    """Return the entry that tells a client that everything up to ``revision`` was shown."""
    return encode_event(BOOKMARK, revision_suffix(revision))


def encode_end_of_objects(revision: int) -> bytes:
    """Return the bookmark after the objects with which a watch began, marked as that."""
    return encode_event(BOOKMARK, _END_OF_OBJECTS + revision_suffix(revision))


def encode_object(message: Message) -> bytes:
    """Return the bytes to store: the object without its revision, which the store appends."""
    metadata: meta_pb2.ObjectMeta = message.metadata  # type: ignore[attr-defined]  # stored kinds have it
    if metadata.HasField("resource_version"):
        metadata.ClearField("resource_version")
    return message.SerializeToString()


def encode_any(field: int, type_url: str, value: bytes) -> bytes:
    """Return a ``google.protobuf.Any`` field that holds ``value``."""
    url = type_url.encode()
    inner = b"".join((b"\x0a", varint(len(url)), url, b"\x12", varint(len(value)), value))
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(len(inner)) + inner
