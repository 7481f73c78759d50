"""The choice of the connections with an unknown owner that must go.

Owns: the decision, without a clock or socket.

Invariants: a connection that has not identified itself in time goes.  So do those beyond the limit
of one address and beyond the total, where the addresses with the most lose first; among them the
silent ones go first, then the oldest.  A flood from one address, or ten, therefore locks out no
other address, and on its own address only clients that are slower than the flood.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

# A peer's address and port.
Peer: TypeAlias = tuple[str, int]
# The owner of an IPv6 address has its whole network.
_PREFIX_IPV6 = 64


@dataclass(frozen=True, slots=True)
class StrangerLimits:
    """Limits on the time and number of connections that have not identified their owner."""

    seconds: float = 10.0
    per_address: int = 128
    in_sum: int = 1_024

    @classmethod
    def of(cls, connections_max: int) -> StrangerLimits:
        """Return limits that leave most of ``connections_max`` to known owners."""
        usual = cls()
        return cls(
            per_address=min(usual.per_address, connections_max // 4),
            in_sum=min(usual.in_sum, connections_max // 2),
        )


class Stranger(NamedTuple):
    """A connection with an unknown owner: whether it has sent anything, and its age."""

    has_spoken: bool
    since_s: float


def surplus(strangers: Mapping[Peer, Stranger], now_s: float, limits: StrangerLimits) -> set[Peer]:
    """Return the peers whose connections must go."""
    ending = {peer for peer, each in strangers.items() if now_s - each.since_s > limits.seconds}
    networks: dict[str, list[Peer]] = {}
    # Newest first: an honest client identifies itself quickly.
    for peer in sorted(strangers.keys() - ending, key=lambda each: strangers[each], reverse=True):
        networks.setdefault(_network(peer[0]), []).append(peer)
    allowed = _level((len(peers) for peers in networks.values()), limits)
    for peers in networks.values():
        ending.update(peers[allowed:])
    return ending


def _level(sizes: Iterable[int], limits: StrangerLimits) -> int:
    """Return how many each address may have so that the sum stays within the total."""
    left, ordered = limits.in_sum, sorted(sizes)
    for index, size in enumerate(ordered):
        share = left // (len(ordered) - index)
        if size > share:
            return min(limits.per_address, share)
        left -= size
    return limits.per_address


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    if ":" not in address:
        return address
    try:
        network = ipaddress.ip_network(f"{address.partition('%')[0]}/{_PREFIX_IPV6}", strict=False)
    except ValueError:
        return address
    return str(network)


def peer_of(text: str) -> Peer | None:
    """Return the peer in ``ipv4:10.0.0.1:5000`` or ``ipv6:%5B::1%5D:5000``; None for other text."""
    family, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    if family not in ("ipv4", "ipv6") or not port.isdigit():
        return None
    return plain(host.replace("%5B", "").replace("%5D", "").strip("[]")), int(port)


def plain(address: str) -> str:
    """Return an address as text, with an IPv4 address unwrapped from its IPv6 form."""
    return address.removeprefix("::ffff:") if "." in address else address


def chosen(peers: Sequence[Peer]) -> str:
    """Return a few addresses of ``peers`` for a line of the log."""
    addresses = sorted({address for address, _ in peers})
    return ", ".join(addresses[:3]) + (" and others" if len(addresses) > 3 else "")
