"""The number of an encoded message's fields, counted before it is parsed.

Owns: the walk over an encoding's fields.  Invariant: the walk looks at no more fields than are
allowed, builds nothing, and sees every field for which a parser would build something.  An empty
message takes two bytes on the wire but hundreds when parsed, and parsing cannot be interrupted.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from google.protobuf.message import DecodeError, Message

from podraft.server.registry.errors import Code, RefusedError

# Smaller messages are parsed quickly, whatever they consist of.
WALKED_BYTES_MIN: Final = 256 * 1024
# An entry of a map counts as three fields.
FIELDS_MAX: Final = 100_000

# The fields that are messages, by number.
_Fields: TypeAlias = "dict[int, _Fields]"
_known: dict[str, _Fields] = {}


def has_too_many_fields(
    data: bytes, kind: type[Message], fields_max: int = FIELDS_MAX, walked: int = WALKED_BYTES_MIN
) -> bool:
    """Return whether ``data`` has more fields than one message may; False if it is malformed."""
    if len(data) < walked:
        return False
    enclosing: list[tuple[int, _Fields]] = []
    position, end, fields = 0, len(data), _fields_of(kind.DESCRIPTOR)
    try:
        for _ in range(fields_max):
            while position >= end:
                if not enclosing:
                    return False
                end, fields = enclosing.pop()
            tag = data[position]
            position += 1
            if tag >= 0x80:
                tag, position = _varint(data, position - 1)
            match tag & 7:
                case 0:
                    _, position = _varint(data, position)
                case 1:
                    position += 8
                case 2:
                    size, position = _varint(data, position)
                    inner = fields.get(tag >> 3)
                    if inner is None or not size:
                        position += size
                    else:
                        enclosing.append((end, fields))
                        end, fields = position + size, inner
                case 5:
                    position += 4
    except IndexError:
        return False  # The data is cut off: the parser will say so.
    return position < len(data)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the number at ``position``, and where it ends."""
    byte = data[position]
    if byte < 0x80:
        return byte, position + 1
    value, shift = byte & 0x7F, 7
    while True:
        position += 1
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7


def _fields_of(descriptor: Any) -> _Fields:  # protobuf has two types for them
    found = _known.get(descriptor.full_name)
    if found is None:
        # Stored before it is complete: messages may contain themselves.
        found = _known[descriptor.full_name] = {}
        for field in descriptor.fields:
            if field.message_type is not None:
                found[field.number] = _fields_of(field.message_type)
    return found


def parsed(kind: type[Message], data: bytes) -> Any:
    """Return the request that ``data`` encodes.

    Raises:
        RefusedError: It encodes none, or one with more parts than are parsed at once.
    """
    if has_too_many_fields(data, kind):
        raise RefusedError(Code.INVALID_ARGUMENT, f"the request has more than {FIELDS_MAX} fields")
    try:
        return kind.FromString(data)
    except DecodeError:
        name = kind.DESCRIPTOR.full_name
        raise RefusedError(
            Code.INVALID_ARGUMENT, f"the request is no valid encoding of {name}"
        ) from None
