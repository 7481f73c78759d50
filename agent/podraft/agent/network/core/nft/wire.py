"""Netlink's attributes and message headers, packed and parsed.

An attribute is its length (16 bits), its type (16 bits) and its payload, padded to four
bytes.  nf_tables' integers are big-endian, netlink's own headers host-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

NETLINK_NETFILTER = 12
SUBSYSTEM_NFTABLES = 10

NESTED = 0x8000
ATTRIBUTE_SIZE_MAX = 0xFFFF

# Flags of a message.
REQUEST = 0x1
MULTI = 0x2
ACKNOWLEDGE = 0x4
DUMP = 0x300
CREATE = 0x400
EXCLUSIVE = 0x200
APPEND = 0x800

# Types of messages that do not belong to nf_tables.
ERROR = 2
DONE = 3
BATCH_BEGIN = 0x10
BATCH_END = 0x11

HEADER = struct.Struct("=IHHII")
FAMILY_HEADER = struct.Struct(">BBH")
_ATTRIBUTE = struct.Struct("=HH")
_BIG_32 = struct.Struct(">I")
_BIG_64 = struct.Struct(">Q")
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


def attribute(kind: int, payload: bytes) -> bytes:
    """Pack one attribute."""
    size = len(payload) + 4
    return _ATTRIBUTE.pack(size, kind) + payload + _PADDING[size & 3]


def nested(kind: int, *attributes: bytes) -> bytes:
    """Pack an attribute that holds others."""
    return attribute(kind | NESTED, b"".join(attributes))


def number(kind: int, value: int) -> bytes:
    """Pack a 32-bit number; negative numbers (verdicts) in two's complement."""
    return attribute(kind, _BIG_32.pack(value & 0xFFFFFFFF))


def long_number(kind: int, value: int) -> bytes:
    """Pack a 64-bit number."""
    return attribute(kind, _BIG_64.pack(value))


def text(kind: int, value: str) -> bytes:
    """Pack a string with its terminating zero."""
    return attribute(kind, value.encode() + b"\0")


def message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """Pack one message."""
    return HEADER.pack(HEADER.size + len(body), kind, flags, sequence, 0) + body


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type (without flags) and payload of each attribute."""
    offset = 0
    while offset + 4 <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, offset)
        if size < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + size]
        offset += (size + 3) & ~3


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield the type, flags, sequence number and body of each message."""
    offset = 0
    while offset + HEADER.size <= len(data):
        size, kind, flags, sequence, _ = HEADER.unpack_from(data, offset)
        if size < HEADER.size:
            return
        yield kind, flags, sequence, data[offset + HEADER.size : offset + size]
        offset += (size + 3) & ~3


def parse_number(payload: bytes) -> int:
    """Return a packed 32-bit number."""
    value: int = _BIG_32.unpack(payload)[0]
    return value
