"""Stale flows: tracked flows that no longer lead to an endpoint of their frontend.

A TCP connection ends with its endpoint. Flows without connections stay translated as they were
when they began, as long as packets come: to an endpoint that is gone, or, if there was none
then, to the frontend's own address.

Invariant: a flow that reaches an endpoint which its frontend has is never stale.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from podraft.agent.proxy.core.frontends import SCTP, UDP, Endpoint, Frontend

# SCTP has connections, but a peer that restarts may keep using one that leads nowhere.
FLOW_PROTOCOLS = (UDP, SCTP)


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow: the destination that its sender uses, and the address that answers."""

    protocol: int
    destination: Endpoint
    answered_by: Endpoint


@dataclass(frozen=True, slots=True)
class StaleFlow:
    """Flows to a frontend that got an endpoint that is gone, or no endpoint at all (None)."""

    frontend: Frontend
    endpoint: Endpoint | None


class StaleFlows:
    """A judge of flows by the given changes, and by the present endpoints where they are given."""

    def __init__(
        self,
        changed: Iterable[StaleFlow],
        offered: Mapping[Frontend, frozenset[Endpoint]] | None = None,
    ) -> None:
        self._changed = frozenset(changed)
        self._offered = offered or {}

    def holds(self, flow: Flow, node_addresses: Container[IPv4Address]) -> bool:
        """Return whether a flow is stale on a node with these addresses."""
        return any(self._is_stale(frontend, flow) for frontend in _frontends(flow, node_addresses))

    def _is_stale(self, frontend: Frontend, flow: Flow) -> bool:
        endpoint = None if flow.answered_by == flow.destination else flow.answered_by
        endpoints = self._offered.get(frontend)
        if endpoints is None:
            return StaleFlow(frontend, endpoint) in self._changed
        # A flow that found no endpoint is stale only if there is one now.
        return bool(endpoints) if endpoint is None else endpoint not in endpoints


def stale_flows(
    frontend: Frontend, before: tuple[Endpoint, ...] | None, after: tuple[Endpoint, ...] | None
) -> Iterator[StaleFlow]:
    """Yield the flows that a change of a frontend's endpoints makes stale."""
    if frontend.protocol not in FLOW_PROTOCOLS:
        return
    for endpoint in set(before or ()) - set(after or ()):
        yield StaleFlow(frontend, endpoint)
    if after and not before:
        yield StaleFlow(frontend, None)


def _frontends(flow: Flow, node_addresses: Container[IPv4Address]) -> Iterator[Frontend]:
    """Yield the frontends that a flow may have been sent to."""
    address, port = flow.destination
    yield Frontend(address, flow.protocol, port)
    # A node port is reached at every address of the node, whichever the sender knows.
    if address in node_addresses:
        yield Frontend(None, flow.protocol, port)
