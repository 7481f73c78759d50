"""Addresses that other machines reach.

Owns: which addresses are special to a machine or to the network, so that no endpoint may have them.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final

from podraft.server.kinds.report import is_ipv4

_LONGEST: Final = len("255.255.255.255")
# Of an IPv6 address that ends in an IPv4 address and has no scope.
_LONGEST_OF_ALL: Final = 45
_PREFIX: Final = re.compile(r"[0-9]{1,3}")
_RESERVED: Final = (ipaddress.IPv4Network("0.0.0.0/8"), ipaddress.IPv4Network("240.0.0.0/4"))


def is_address(text: str) -> bool:
    """Return whether a text is an IPv4 address; quick for texts that were asked about before."""
    return len(text) <= _LONGEST and _is_ipv4(text)


# Only short texts are remembered, so that the cache stays small.
_is_ipv4 = lru_cache(maxsize=16_384)(is_ipv4)


def is_ip(text: str) -> bool:
    """Return whether a text is an IP address, of either family."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def problem(text: str) -> str | None:
    """Return why a text is no IPv4 address that other machines reach; None if it is."""
    return special(text) if is_address(text) else "is no IPv4 address"


@lru_cache(maxsize=16_384)
def special(text: str) -> str | None:
    """Return why other machines cannot reach an address, of either family; None if they may."""
    address = ipaddress.ip_address(text)
    for what, holds in (
        ("a loopback address", address.is_loopback),
        ("a link-local address", address.is_link_local),
        ("a multicast address", address.is_multicast),
        (
            "a reserved address",
            any(address in network for network in _RESERVED) or address.is_unspecified,
        ),
    ):
        if holds:
            return f"is {what}: expected one that other machines reach"
    return None


def is_any_address(text: str) -> bool:
    """Return whether a text is an address of either family."""
    if len(text) > _LONGEST_OF_ALL:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def range_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the range of addresses that a text such as ``10.0.0.0/8`` means; None if it is none.

    As in Kubernetes, bits of the address behind the prefix do not matter.
    """
    address, slash, length = text.partition("/")
    if not slash or not is_any_address(address) or not _PREFIX.fullmatch(length):
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
