"""Sets and maps: their declarations, keys and values.

A key of several parts is the concatenation of its parts, each padded to four bytes; a rule lays
them out the same way, in consecutive 32-bit registers.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TypeAlias

from podraft.agent.network.core.nft import wire

KEY_PART_BITS = 6
_VERDICT_TYPE = 0xFFFFFF00
_FLAG_MAP = 0x8


class DataType(enum.Enum):
    """The type of one part of a key or value: nft's number for it, and its size in bytes."""

    IPV4_ADDRESS = (7, 4)
    PROTOCOL = (12, 1)
    PORT = (13, 2)
    # The only 32-bit type in host byte order that nft can list as part of a key; a plain integer
    # there makes nft 1.0 abort.
    MARK = (19, 4)

    @property
    def number(self) -> int:
        """The type's number in nft."""
        return self.value[0]

    @property
    def size(self) -> int:
        """The size of a value in bytes, unpadded."""
        return self.value[1]


class VerdictCode(enum.IntEnum):
    """The codes of what happens to a packet next."""

    DROP = 0
    ACCEPT = 1
    JUMP = -3
    GOTO = -4
    RETURN = -5


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict; ``chain`` is the target of a jump or goto."""

    code: VerdictCode
    chain: str = ""

    def pack(self) -> bytes:
        """Pack the verdict as the content of a data attribute."""
        chain = [wire.text(2, self.chain)] if self.chain else []
        return wire.nested(2, wire.number(1, self.code), *chain)


Part: TypeAlias = IPv4Address | int
Key: TypeAlias = tuple[Part, ...]
Value: TypeAlias = Key | Verdict | None


@dataclass(frozen=True, slots=True)
class MapSpec:
    """The declaration of a set (``value`` is None), a verdict map or a map to data."""

    name: str
    key: tuple[DataType, ...]
    value: tuple[DataType, ...] | type[Verdict] | None = None

    def pack(self, number: int) -> tuple[bytes, ...]:
        """Pack the declaration's attributes; ``number`` is its id in the batch."""
        data: tuple[bytes, ...] = ()
        if isinstance(self.value, tuple):
            data = (
                wire.number(6, _type_number(self.value)),
                wire.number(7, _size(self.value)),
            )
        elif self.value is not None:
            data = (wire.number(6, _VERDICT_TYPE),)
        return (
            wire.text(2, self.name),
            wire.number(3, 0 if self.value is None else _FLAG_MAP),
            wire.number(4, _type_number(self.key)),
            wire.number(5, _size(self.key)),
            wire.number(10, number),
            *data,
        )

    def pack_element(self, key: Key, value: Value = None) -> bytes:
        """Pack one element, without its value if it is to be deleted."""
        parts = [wire.nested(1, wire.attribute(1, pack_parts(self.key, key)))]
        if isinstance(value, Verdict):
            parts.append(wire.nested(2, value.pack()))
        elif value is not None:
            assert isinstance(self.value, tuple), f"{self.name} holds no data"
            parts.append(wire.nested(2, wire.attribute(1, pack_parts(self.value, value))))
        return wire.nested(1, *parts)

    def parse_element(self, data: bytes) -> tuple[Key, Value]:
        """Return the key and value of a dumped element."""
        fields = dict(wire.attributes(data))
        key = parse_parts(self.key, dict(wire.attributes(fields[1]))[1])
        if 2 not in fields:
            return key, None
        content = dict(wire.attributes(fields[2]))
        if isinstance(self.value, tuple):
            return key, parse_parts(self.value, content[1])
        verdict = dict(wire.attributes(content[2]))
        code = struct.unpack(">i", verdict[1])[0]
        return key, Verdict(VerdictCode(code), verdict.get(2, b"").rstrip(b"\0").decode())


def pack_parts(types: Sequence[DataType], parts: Key) -> bytes:
    """Pack a key or value; a single part is not padded."""
    packed = [_pack_part(*pair) for pair in zip(types, parts, strict=True)]
    return packed[0] if len(packed) == 1 else b"".join(p.ljust(4, b"\0") for p in packed)


def parse_parts(types: Sequence[DataType], data: bytes) -> Key:
    """Return the parts of a packed key or value."""
    return tuple(_parse_part(kind, data[4 * i : 4 * i + kind.size]) for i, kind in enumerate(types))


def _pack_part(kind: DataType, part: Part) -> bytes:
    match kind:
        case DataType.IPV4_ADDRESS:
            assert isinstance(part, IPv4Address), f"{part!r} is no address"
            return part.packed
        case DataType.MARK:
            return struct.pack("=I", part)
        case DataType.PROTOCOL | DataType.PORT:
            return int(part).to_bytes(kind.size, "big")


def _parse_part(kind: DataType, data: bytes) -> Part:
    match kind:
        case DataType.IPV4_ADDRESS:
            return IPv4Address(data)
        case DataType.MARK:
            return int(struct.unpack("=I", data)[0])
        case DataType.PROTOCOL | DataType.PORT:
            return int.from_bytes(data, "big")


def _type_number(types: Sequence[DataType]) -> int:
    number = 0
    for kind in types:
        number = number << KEY_PART_BITS | kind.number
    return number


def _size(types: Sequence[DataType]) -> int:
    return types[0].size if len(types) == 1 else 4 * len(types)
