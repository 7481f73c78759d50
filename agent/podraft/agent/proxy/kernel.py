"""The blocking side of the proxy: its work on the kernel, and its knowledge of it.

Invariant: after `replace` or `apply` has returned, the table is exactly what the given state
says; if they raise, the table is unchanged. A `ProxyKernel` belongs to one thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from podraft.agent.network.core.nft.sets import Key, Value
from podraft.agent.network.links import NodeLinks
from podraft.agent.network.nft import Connection, NftError
from podraft.agent.proxy.core import ruleset
from podraft.agent.proxy.core.elements import Map, Operation
from podraft.agent.proxy.core.table import ServiceTable

# Services get routes in blocks of this size, only where the node has no route.
_ROUTE_PREFIX_LENGTH = 24


class ProxyKernel:
    """A writer of the table that notices when somebody else changed it."""

    def __init__(self, pod_network: IPv4Network, node_address: IPv4Address) -> None:
        self._pod_network = pod_network
        self._node_address = node_address
        self._connection = Connection()
        self._links = NodeLinks()
        self._generation: int | None = None
        self._rule_count = 0
        self._routed: set[IPv4Network] = set()

    def close(self) -> None:
        """Close the sockets; the table stays and keeps working."""
        self._connection.close()
        self._links.close()

    def replace(self, operations: Iterable[Operation]) -> None:
        """Write the table anew, in one transaction.

        Raises:
            NftError: The kernel refused.
        """
        batch = ruleset.replacement(self._pod_network, operations)
        self._connection.commit(batch)
        self._rule_count = batch.rule_count
        self._generation = None

    def apply(self, operations: Iterable[Operation]) -> None:
        """Change the table, in one transaction.

        Raises:
            NftError: The kernel refused: the table is not as it was thought to be.
        """
        batch = ruleset.update(self._pod_network, operations)
        self._connection.commit(batch)
        self._rule_count += batch.rule_count
        if self._generation is not None:
            self._generation += 1

    def is_intact(self, table: ServiceTable) -> bool:
        """Return whether the kernel still holds the table.

        The check costs next to nothing as long as nobody else has changed any table of nf_tables.
        """
        generation = self._connection.generation()
        if generation != self._generation:
            if not self.holds(table):
                return False
            self._generation = generation
        return True

    def holds(self, table: ServiceTable) -> bool:
        """Return whether the kernel's table is as it should be, compared element by element."""
        expected: dict[Map, dict[Key, Value]] = defaultdict(dict)
        for (map_, key), value in table.contents():
            expected[map_][key] = ruleset.nft_value(map_, value)
        try:
            if self._connection.rule_count(ruleset.TABLE) != self._rule_count:
                return False
            return all(
                self._connection.elements(ruleset.TABLE, spec) == expected[map_]
                for map_, spec in ruleset.SPECS.items()
            )
        except NftError:
            return False

    def ensure_routes(self, addresses: Iterable[IPv4Address]) -> None:
        """Add routes to services that the node itself cannot reach, not even by a default route.

        Raises:
            KernelError: The kernel refused.
        """
        for address in addresses:
            block = IPv4Network((address, _ROUTE_PREFIX_LENGTH), strict=False)
            if block in self._routed:
                continue
            if not self._links.reaches(address):
                self._links.route_to_services(block, self._node_address)
            self._routed.add(block)
