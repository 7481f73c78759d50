"""The values of the flags of ``podraft-server``.

Owns: the check of each value.  Each function takes a flag's text and returns its value, or
raises ``argparse.ArgumentTypeError``, which names the text and what was expected.
"""

from __future__ import annotations

import argparse
import ipaddress
import math
from typing import Final

from podraft.server.replication.core.roster import MEMBER_NAME

API: Final = "api"
SCHEDULER: Final = "scheduler"
CONTROLLERS: Final = "controllers"
COMPONENTS: Final = (API, SCHEDULER, CONTROLLERS)


def split_address(address: str) -> tuple[str, int]:
    """Return the host and port of ``host:port`` or ``[v6]:port``.

    Raises:
        ValueError: ``address`` has neither form.
    """
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{address!r}: expected HOST:PORT")
    return host, int(port)


def address(text: str) -> str:
    """Return ``text`` if it is an address with a port."""
    try:
        split_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def name(text: str) -> str:
    """Return ``text`` if it can be a member's name."""
    if not MEMBER_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected at most 32 lower-case letters, digits and '-'"
        )
    return text


def members(text: str) -> tuple[tuple[str, str], ...]:
    """Return the names and addresses in ``NAME=HOST:PORT,…``."""
    found: dict[str, str] = {}
    for item in text.split(","):
        member, equals, where = item.partition("=")
        if not equals or not MEMBER_NAME.fullmatch(member):
            raise argparse.ArgumentTypeError(f"{item!r}: expected NAME=HOST:PORT")
        if member in found:
            raise argparse.ArgumentTypeError(f"{member!r} is there twice")
        found[member] = address(where)
    if len(set(found.values())) != len(found):
        raise argparse.ArgumentTypeError("two members have the same address")
    return tuple(found.items())


def address_or_nothing(text: str) -> str:
    """Return ``text`` if it is empty or an address with a port."""
    return address(text) if text else ""


def host(text: str) -> str:
    """Return ``text`` if it is an address or a DNS name."""
    if not text or (any(c.isspace() or c in "/:" for c in text) and not _is_ipv6(text)):
        raise argparse.ArgumentTypeError(f"{text!r}: expected an address or a DNS name")
    return text


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def history_hours(text: str) -> float:
    """Return the hours for which history is kept."""
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    # Watchers that resume and pages of long lists need some of it.
    if not 0.1 <= hours <= 8760:
        raise argparse.ArgumentTypeError(f"{text!r}: expected hours, 0.1 to 8760")
    return hours


def heartbeat_seconds(text: str) -> float:
    """Return the seconds between two heartbeats."""
    return _seconds(text, 0.02, 5.0)


def election_seconds(text: str) -> float:
    """Return the seconds for which a leader may be silent."""
    return _seconds(text, 0.1, 60.0)


def _seconds(text: str, least: float, most: float) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not least <= seconds <= most:
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds, {least:g} to {most:g}")
    return seconds


def history_revisions(text: str) -> int:
    """Return the number of revisions that are kept."""
    if not (text.isascii() and text.isdecimal()) or not 1000 <= int(text) <= 100_000_000:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 1000 to 100000000")
    return int(text)


def history_mebibytes(text: str) -> int:
    """Return the number of mebibytes that are kept."""
    if not (text.isascii() and text.isdecimal()) or not 64 <= int(text) <= 1_048_576:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 64 to 1048576")
    return int(text)


def components(text: str) -> list[str]:
    """Return the components to run; ``all`` stands for every one."""
    names = text.split(",")
    if names == ["all"]:
        return names
    for name in names:
        if name not in COMPONENTS:
            known = ", ".join(COMPONENTS)
            raise argparse.ArgumentTypeError(f"{name!r}: expected all, or some of {known}")
    return list(dict.fromkeys(names))


def network(text: str) -> str:
    """Return ``text`` in the usual spelling of an IPv4 network."""
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def port_range(text: str) -> tuple[int, int]:
    """Return the first and the last port of ``FIRST-LAST``."""
    first, dash, last = text.partition("-")
    if dash and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last) <= 65535:
        return int(first), int(last)
    raise argparse.ArgumentTypeError(
        f"{text!r}: expected FIRST-LAST with 1 <= FIRST <= LAST <= 65535"
    )
