"""Choosing the address that the next pod of this node gets.

Invariant: an address belongs to one pod at a time, and an address that was just released is
reused as late as possible, since peers may still know its old owner.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from podraft.agent.network.core.errors import AddressesExhaustedError, InvalidNetworkError

# The network's own address, its first host (customarily the gateway) and the broadcast address
# never belong to a pod.
RESERVED_AT_START = 2
RESERVED_AT_END = 1


@dataclass(frozen=True, slots=True)
class AddressPool:
    """The addresses that the pods of one node share."""

    network: IPv4Network

    @property
    def capacity(self) -> int:
        """The number of pods that can have an address at the same time."""
        return self.network.num_addresses - RESERVED_AT_START - RESERVED_AT_END

    def allocate(self, used: Set[IPv4Address], last: IPv4Address | None = None) -> IPv4Address:
        """Return the first free address after ``last``, wrapping around at the end.

        Raises:
            AddressesExhaustedError: Every address is in use.
        """
        first = int(self.network.network_address) + RESERVED_AT_START
        start = 0
        if last is not None and self.contains(last):
            start = int(last) - first + 1
        for step in range(self.capacity):
            candidate = IPv4Address(first + (start + step) % self.capacity)
            if candidate not in used:
                return candidate
        raise AddressesExhaustedError(
            f"all {self.capacity} pod addresses of {self.network} are in use"
        )

    def contains(self, address: IPv4Address) -> bool:
        """Return whether this pool could have given the address."""
        offset = int(address) - int(self.network.network_address)
        return RESERVED_AT_START <= offset < self.network.num_addresses - RESERVED_AT_END


def parse_pool(pod_cidr: str) -> AddressPool:
    """Return the pool of a node's pod CIDR such as ``10.244.1.0/24``.

    Raises:
        InvalidNetworkError: It is not an IPv4 network, or has no room for a pod.
    """
    try:
        network = IPv4Network(pod_cidr)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise InvalidNetworkError(f"pod network {pod_cidr!r} is no IPv4 network: {error}") from None
    pool = AddressPool(network)
    if pool.capacity < 1:
        raise InvalidNetworkError(
            f"pod network {pod_cidr} has no room for pods; expected /30 or larger"
        )
    return pool


def parse_address(address: str) -> IPv4Address:
    """Parse an IPv4 address.

    Raises:
        InvalidNetworkError: The text is not an IPv4 address.
    """
    try:
        return IPv4Address(address)
    except ValueError as error:
        raise InvalidNetworkError(f"{address!r} is no IPv4 address: {error}") from None
