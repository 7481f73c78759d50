"""The state of the whole table: what is programmed, and how to get to what is wanted.

`ServiceTable.update` takes the new frontends of the services that changed and returns
the operations that bring the kernel there; applied in order to a model of the maps they give
exactly `ServiceTable.contents`.  The work grows with the changed services, not with all.

Invariant: no operation touches an element that is already as it should be, and no element is
added before the old one with the same key is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from podraft.agent.proxy.core.elements import (
    SHARED,
    Add,
    AddBalancer,
    Delete,
    Element,
    Operation,
    Value,
    balancer_of,
    elements_of,
    place,
)
from podraft.agent.proxy.core.flows import StaleFlow, stale_flows
from podraft.agent.proxy.core.frontends import Endpoint, Frontend, Frontends, ServiceKey


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes that one round has to carry out."""

    operations: tuple[Operation, ...] = ()
    stale_flows: tuple[StaleFlow, ...] = ()


class ServiceTable:
    """The frontends of all services, and their elements in the kernel."""

    def __init__(self, pod_network: IPv4Network) -> None:
        self._pod_network = pod_network
        self._by_service: dict[ServiceKey, Frontends] = {}
        self._claims: dict[Frontend, dict[ServiceKey, frozenset[Endpoint]]] = {}
        self._placed: dict[Frontend, tuple[Endpoint, ...]] = {}
        self._shared: Counter[Element] = Counter()
        self._balancers: set[AddBalancer] = set()

    def update(self, changed: Mapping[ServiceKey, Frontends]) -> Changes:
        """Take over the new frontends of some services; a service that is gone has none."""
        touched: set[Frontend] = set()
        for key, frontends in changed.items():
            touched |= self._claim(key, frontends)
        deletions: list[Operation] = []
        additions: list[Operation] = []
        balancers: list[Operation] = []
        flows: list[StaleFlow] = []
        shared_before: dict[Element, int] = {}
        for frontend in sorted(touched, key=_order):
            before = self._placed.get(frontend)
            after = self._place(frontend, before)
            if before == after:
                continue
            flows += stale_flows(frontend, before, after)
            old = self._elements(frontend, before)
            new = self._elements(frontend, after)
            for element in (*old, *new):
                if element[0] in SHARED:
                    shared_before.setdefault(element, self._shared[element])
            self._shared.subtract(element for element in old if element[0] in SHARED)
            self._shared.update(element for element in new if element[0] in SHARED)
            balancers += self._missing_balancer(frontend, after)
            deletions += _deletions(old, new)
            additions += _additions(old, new)
        for element, count in shared_before.items():
            now = self._shared[element]
            if count and not now:
                deletions.append(Delete(*element))
            elif now and not count:
                additions.append(Add(*element, None))
            if not now:
                del self._shared[element]
        return Changes((*balancers, *deletions, *additions), tuple(flows))

    def contents(self) -> Iterator[tuple[Element, Value]]:
        """Yield every element that the kernel should hold."""
        for frontend, placed in self._placed.items():
            for element, value in elements_of(frontend, placed, self._pod_network):
                if element[0] not in SHARED:
                    yield element, value
        for element in self._shared:
            yield element, None

    def rebuild(self) -> tuple[Operation, ...]:
        """Return the operations that fill an empty table, without unneeded chains."""
        self._balancers = {
            needed
            for frontend, placed in self._placed.items()
            if (needed := balancer_of(frontend, placed)) is not None
        }
        chains = sorted(self._balancers, key=lambda b: (b.node_port, b.size))
        return (*chains, *(Add(*element, value) for element, value in self.contents()))

    @property
    def cluster_addresses(self) -> Iterable[IPv4Address]:
        """The addresses at which services are reached."""
        return {f.address for f in self._placed if f.address is not None}

    @property
    def offered(self) -> Frontends:
        """The endpoints of every frontend."""
        return {frontend: frozenset(placed) for frontend, placed in self._placed.items()}

    def _claim(self, key: ServiceKey, frontends: Frontends) -> set[Frontend]:
        """Replace a service's claims; return the frontends that may change as a result."""
        before = self._by_service.pop(key, {})
        if frontends:
            self._by_service[key] = frontends
        touched = {f for f in {*before, *frontends} if before.get(f) != frontends.get(f)}
        for frontend in touched:
            claims = self._claims.setdefault(frontend, {})
            if frontend in frontends:
                claims[key] = frontends[frontend]
            else:
                del claims[key]
            if not claims:
                del self._claims[frontend]
        return touched

    def _place(
        self, frontend: Frontend, before: tuple[Endpoint, ...] | None
    ) -> tuple[Endpoint, ...] | None:
        claims = self._claims.get(frontend)
        if claims is None:
            self._placed.pop(frontend, None)
            return None
        # The API gives an address to one service only; should two claim it for a moment
        # (one is gone, its successor is already seen), the choice must not depend on order.
        placed = place(before or (), claims[min(claims)])
        self._placed[frontend] = placed
        return placed

    def _elements(
        self, frontend: Frontend, placed: tuple[Endpoint, ...] | None
    ) -> dict[Element, Value]:
        if placed is None:
            return {}
        return dict(elements_of(frontend, placed, self._pod_network))

    def _missing_balancer(
        self, frontend: Frontend, placed: tuple[Endpoint, ...] | None
    ) -> Iterator[AddBalancer]:
        needed = balancer_of(frontend, placed or ())
        if needed is not None and needed not in self._balancers:
            self._balancers.add(needed)
            yield needed


def _deletions(old: dict[Element, Value], new: dict[Element, Value]) -> Iterator[Delete]:
    for element, value in old.items():
        if element[0] not in SHARED and (element not in new or new[element] != value):
            yield Delete(*element)


def _additions(old: dict[Element, Value], new: dict[Element, Value]) -> Iterator[Add]:
    for element, value in new.items():
        if element[0] not in SHARED and (element not in old or old[element] != value):
            yield Add(*element, value)


def _order(frontend: Frontend) -> tuple[int, int, int]:
    return (int(frontend.address or 0), frontend.protocol, frontend.port)
