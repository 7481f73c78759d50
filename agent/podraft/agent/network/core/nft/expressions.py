"""The instructions of rules, as bytes.

A rule is a list of instructions that load values into registers, compare them (leaving the rule
when that fails) and act. There are four registers of 16 bytes (`WIDE`), and the same memory as
sixteen of 4 bytes (`narrow`): ``WIDE`` begins with ``narrow(0)``.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Network

from podraft.agent.network.core.nft import wire
from podraft.agent.network.core.nft.sets import Verdict, VerdictCode

WIDE = 1
_NARROW_FIRST = 8
_VERDICT_REGISTER = 0

EQUAL = 0
NOT_EQUAL = 1

_NETWORK_HEADER = 1
_TRANSPORT_HEADER = 2
_META_MARK = 3
_META_PROTOCOL = 16
_FIB_BY_DESTINATION_ADDRESS = 2
_FIB_BY_SOURCE_ADDRESS = 1
_FIB_RESULT_ADDRESS_TYPE = 3
_ADDRESS_TYPE_LOCAL = 2
_CT_STATE = 0
_CT_STATE_NEW = 8
_NAT_DESTINATION = 1
_FAMILY_IPV4 = 2
_NAT_FULLY_RANDOM = 0x10
_REJECT_ICMP = 0
_REJECT_TCP_RESET = 1
_ICMP_PORT_UNREACHABLE = 3


def narrow(index: int) -> int:
    """Return the number of the 4-byte register ``index``."""
    return _NARROW_FIRST + index


def source_address(register: int) -> bytes:
    """Load the IPv4 source address."""
    return _payload(register, _NETWORK_HEADER, 12, 4)


def destination_address(register: int) -> bytes:
    """Load the IPv4 destination address."""
    return _payload(register, _NETWORK_HEADER, 16, 4)


def destination_port(register: int) -> bytes:
    """Load the TCP, UDP or SCTP destination port."""
    return _payload(register, _TRANSPORT_HEADER, 2, 2)


def protocol(register: int) -> bytes:
    """Load the transport protocol's number."""
    return _meta(register, _META_PROTOCOL)


def compare(register: int, operator: int, value: bytes) -> bytes:
    """Leave the rule unless the register compares to the value."""
    return _expression(
        "cmp",
        wire.number(1, register),
        wire.number(2, operator),
        wire.nested(3, wire.attribute(1, value)),
    )


def is_protocol(number: int) -> bytes:
    """Leave the rule unless the packet has this transport protocol."""
    return protocol(WIDE) + compare(WIDE, EQUAL, bytes([number]))


def source_in(network: IPv4Network, *, inverted: bool = False) -> bytes:
    """Leave the rule unless the source address is (not) in a network."""
    return source_address(WIDE) + _in_network(network, inverted=inverted)


def destination_in(network: IPv4Network, *, inverted: bool = False) -> bytes:
    """Leave the rule unless the destination address is (not) in a network."""
    return destination_address(WIDE) + _in_network(network, inverted=inverted)


def source_is_local(*, inverted: bool = False) -> bytes:
    """Leave the rule unless the source address is (not) one of the node's own."""
    return _address_type(_FIB_BY_SOURCE_ADDRESS, inverted=inverted)


def destination_is_local() -> bytes:
    """Leave the rule unless the destination address is one of the node's own."""
    return _address_type(_FIB_BY_DESTINATION_ADDRESS, inverted=False)


def connection_is_new() -> bytes:
    """Leave the rule unless the packet opens a connection."""
    return (
        _expression("ct", wire.number(1, WIDE), wire.number(2, _CT_STATE))
        + _bitwise(_host_32(_CT_STATE_NEW), bytes(4))
        + compare(WIDE, NOT_EQUAL, bytes(4))
    )


def set_mark(bit: int) -> bytes:
    """Set one bit of the packet's mark."""
    return _change_mark(0xFFFFFFFF ^ bit, bit)


def clear_mark(bit: int) -> bytes:
    """Clear one bit of the packet's mark."""
    return _change_mark(0xFFFFFFFF ^ bit, 0)


def mark_is_clear(bit: int) -> bytes:
    """Leave the rule if the bit of the packet's mark is set."""
    return (
        _meta(WIDE, _META_MARK)
        + _bitwise(_host_32(bit), bytes(4))
        + compare(WIDE, NOT_EQUAL, _host_32(bit))
    )


def lookup(name: str, source: int, into: int | None = None) -> bytes:
    """Leave the rule unless a set holds the key; load a map's value into the register ``into``."""
    target = [] if into is None else [wire.number(3, into)]
    return _expression("lookup", wire.text(1, name), wire.number(2, source), *target)


def dispatch(name: str, source: int) -> bytes:
    """Take the verdict that a map holds for the key, if there is one."""
    return lookup(name, source, _VERDICT_REGISTER)


def random_number(register: int, modulus: int) -> bytes:
    """Load a random number below ``modulus``."""
    return _expression(
        "numgen",
        wire.number(1, register),
        wire.number(2, modulus),
        wire.number(3, 1),
        wire.number(4, 0),
    )


def verdict(code: VerdictCode, chain: str = "") -> bytes:
    """End the rule with a verdict."""
    return _expression(
        "immediate",
        wire.number(1, _VERDICT_REGISTER),
        wire.nested(2, Verdict(code, chain).pack()),
    )


def change_destination(address_register: int, port_register: int) -> bytes:
    """Send the connection to another address and port."""
    return _expression(
        "nat",
        wire.number(1, _NAT_DESTINATION),
        wire.number(2, _FAMILY_IPV4),
        wire.number(3, address_register),
        wire.number(5, port_register),
    )


def masquerade() -> bytes:
    """Replace the source by the address of the interface that the connection leaves by."""
    return _expression("masq", wire.number(1, _NAT_FULLY_RANDOM))


def reject_with_reset() -> bytes:
    """Answer a TCP segment with a reset."""
    return _expression("reject", wire.number(1, _REJECT_TCP_RESET), wire.attribute(2, b"\0"))


def reject_with_port_unreachable() -> bytes:
    """Answer with an ICMP error."""
    code = bytes([_ICMP_PORT_UNREACHABLE])
    return _expression("reject", wire.number(1, _REJECT_ICMP), wire.attribute(2, code))


def _expression(name: str, *attributes: bytes) -> bytes:
    return wire.nested(1, wire.text(1, name), wire.nested(2, *attributes))


def _payload(register: int, base: int, offset: int, length: int) -> bytes:
    return _expression(
        "payload",
        wire.number(1, register),
        wire.number(2, base),
        wire.number(3, offset),
        wire.number(4, length),
    )


def _meta(register: int, key: int) -> bytes:
    return _expression("meta", wire.number(1, register), wire.number(2, key))


def _bitwise(mask: bytes, flip: bytes) -> bytes:
    return _expression(
        "bitwise",
        wire.number(1, WIDE),
        wire.number(2, WIDE),
        wire.number(3, len(mask)),
        wire.nested(4, wire.attribute(1, mask)),
        wire.nested(5, wire.attribute(1, flip)),
    )


def _in_network(network: IPv4Network, *, inverted: bool) -> bytes:
    operator = NOT_EQUAL if inverted else EQUAL
    return _bitwise(network.netmask.packed, bytes(4)) + compare(
        WIDE, operator, network.network_address.packed
    )


def _address_type(flags: int, *, inverted: bool) -> bytes:
    return _expression(
        "fib",
        wire.number(1, WIDE),
        wire.number(2, _FIB_RESULT_ADDRESS_TYPE),
        wire.number(3, flags),
    ) + compare(WIDE, NOT_EQUAL if inverted else EQUAL, _host_32(_ADDRESS_TYPE_LOCAL))


def _change_mark(mask: int, bits: int) -> bytes:
    return (
        _meta(WIDE, _META_MARK)
        + _bitwise(_host_32(mask), _host_32(bits))
        + _expression("meta", wire.number(2, _META_MARK), wire.number(3, WIDE))
    )


def _host_32(value: int) -> bytes:
    return struct.pack("=I", value)
