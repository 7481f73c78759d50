"""The proxy's table in nf_tables: chains and maps, and batches made from operations.

Owns the table ``podraft_services``. A new connection to a service's address meets, in this
order: ``reject-early`` (no endpoint: refused at once), the nat chains (a map lookup leads to the
chain for that number of endpoints, which looks up a random one), ``reject-late`` (an address of
a service, but no port of it), and ``leaving``, which masquerades connections whose answers would
not find their way back.

Invariant: only two kinds of connections are masqueraded: a pod's connection to itself, and a
connection from elsewhere than this node that leaves it for an endpoint on another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Network

from podraft.agent.network.core.nft import Batch, DataType, MapSpec, Verdict, VerdictCode
from podraft.agent.network.core.nft import expressions as ex
from podraft.agent.network.core.nft.batch import Hook
from podraft.agent.network.core.nft.sets import Key as NftKey
from podraft.agent.network.core.nft.sets import Value as NftValue
from podraft.agent.proxy.core.elements import (
    Add,
    AddBalancer,
    Delete,
    Map,
    Operation,
    Value,
)
from podraft.agent.proxy.core.frontends import SCTP, TCP, UDP

TABLE = "podraft_services"

MASQUERADE_MARK = 0x4000
_LOOPBACK = IPv4Network("127.0.0.0/8")

_PRIORITY_DESTINATION_NAT = -100
_PRIORITY_BEFORE_NAT = -110
_PRIORITY_FILTER = 0
# Before the node's own masquerading of pods (100), which would hide the mark's meaning.
_PRIORITY_SOURCE_NAT = 95

_A, _P, _N, _M = DataType.IPV4_ADDRESS, DataType.PROTOCOL, DataType.PORT, DataType.MARK
SPECS = {
    Map.SERVICES: MapSpec(Map.SERVICES.value, (_A, _P, _N), Verdict),
    Map.NODE_PORTS: MapSpec(Map.NODE_PORTS.value, (_P, _N), Verdict),
    Map.ENDPOINTS: MapSpec(Map.ENDPOINTS.value, (_A, _P, _N, _M), (_A, _N)),
    Map.NODE_PORT_ENDPOINTS: MapSpec(Map.NODE_PORT_ENDPOINTS.value, (_P, _N, _M), (_A, _N)),
    Map.REJECTED: MapSpec(Map.REJECTED.value, (_A, _P, _N)),
    Map.REJECTED_NODE_PORTS: MapSpec(Map.REJECTED_NODE_PORTS.value, (_P, _N)),
    Map.CLUSTER_ADDRESSES: MapSpec(Map.CLUSTER_ADDRESSES.value, (_A,)),
    Map.HAIRPINS: MapSpec(Map.HAIRPINS.value, (_A, _A)),
}


def replacement(pod_network: IPv4Network, operations: Iterable[Operation]) -> Batch:
    """Return the batch that replaces any existing table with a new one."""
    batch = Batch(TABLE)
    batch.replace_table()
    for spec in SPECS.values():
        batch.add_map(spec)
    _add_rejections(batch)
    _add_translation(batch)
    _add_masquerading(batch, pod_network)
    _add_operations(batch, pod_network, operations)
    return batch


def update(pod_network: IPv4Network, operations: Iterable[Operation]) -> Batch:
    """Return the batch that makes the given changes to the table."""
    batch = Batch(TABLE)
    _add_operations(batch, pod_network, operations)
    return batch


def nft_value(map_: Map, value: Value) -> NftValue:
    """Return an element's value as the kernel holds it."""
    if isinstance(value, int):
        return Verdict(VerdictCode.GOTO, chain_name(map_ is Map.NODE_PORTS, value))
    return None if value is None else (value.address, value.port)


def chain_name(node_port: bool, size: int) -> str:
    """Return the name of the chain that chooses among ``size`` endpoints."""
    return f"{'node-port' if node_port else 'balance'}-{size}"


def _add_operations(
    batch: Batch, pod_network: IPv4Network, operations: Iterable[Operation]
) -> None:
    deletions: dict[Map, list[NftKey]] = defaultdict(list)
    additions: dict[Map, list[tuple[NftKey, NftValue]]] = defaultdict(list)
    for operation in operations:
        match operation:
            case AddBalancer():
                _add_balancer(batch, pod_network, operation)
            case Delete():
                deletions[operation.map].append(operation.key)
            case Add():
                value = nft_value(operation.map, operation.value)
                additions[operation.map].append((operation.key, value))
    for map_, keys in deletions.items():
        batch.delete_elements(SPECS[map_], keys)
    for map_, elements in additions.items():
        batch.add_elements(SPECS[map_], elements)


def _add_rejections(batch: Batch) -> None:
    batch.add_chain("refuse")
    batch.add_rule("refuse", ex.is_protocol(TCP), ex.reject_with_reset())
    batch.add_rule("refuse", ex.reject_with_port_unreachable())
    refuse = ex.verdict(VerdictCode.GOTO, "refuse")
    batch.add_chain("reject-early")
    batch.add_rule("reject-early", _frontend(), ex.lookup(Map.REJECTED.value, ex.WIDE), refuse)
    batch.add_rule(
        "reject-early",
        _to_node(),
        _node_frontend(),
        ex.lookup(Map.REJECTED_NODE_PORTS.value, ex.WIDE),
        refuse,
    )
    batch.add_chain("reject-late")
    batch.add_rule(
        "reject-late",
        ex.destination_address(ex.WIDE),
        ex.lookup(Map.CLUSTER_ADDRESSES.value, ex.WIDE),
        refuse,
    )
    for name, hook, priority, chain in (
        ("filter-prerouting", Hook.PREROUTING, _PRIORITY_BEFORE_NAT, "reject-early"),
        ("filter-output", Hook.OUTPUT, _PRIORITY_BEFORE_NAT, "reject-early"),
        ("filter-forward", Hook.FORWARD, _PRIORITY_FILTER, "reject-late"),
        ("filter-sent", Hook.OUTPUT, _PRIORITY_FILTER, "reject-late"),
    ):
        batch.add_base_chain(name, "filter", hook, priority)
        batch.add_rule(name, ex.connection_is_new(), ex.verdict(VerdictCode.JUMP, chain))


def _add_translation(batch: Batch) -> None:
    batch.add_chain("masquerade-later")
    batch.add_rule("masquerade-later", ex.set_mark(MASQUERADE_MARK))
    batch.add_chain("translate")
    batch.add_rule("translate", _frontend(), ex.dispatch(Map.SERVICES.value, ex.WIDE))
    batch.add_rule(
        "translate", _to_node(), _node_frontend(), ex.dispatch(Map.NODE_PORTS.value, ex.WIDE)
    )
    for name, hook in (("nat-prerouting", Hook.PREROUTING), ("nat-output", Hook.OUTPUT)):
        batch.add_base_chain(name, "nat", hook, _PRIORITY_DESTINATION_NAT)
        batch.add_rule(name, ex.verdict(VerdictCode.JUMP, "translate"))


def _add_masquerading(batch: Batch, pod_network: IPv4Network) -> None:
    chain = "leaving"
    batch.add_base_chain(chain, "nat", Hook.POSTROUTING, _PRIORITY_SOURCE_NAT)
    batch.add_rule(
        chain,
        ex.source_address(ex.narrow(0)),
        ex.destination_address(ex.narrow(1)),
        ex.lookup(Map.HAIRPINS.value, ex.WIDE),
        ex.masquerade(),
    )
    batch.add_rule(chain, ex.mark_is_clear(MASQUERADE_MARK), ex.verdict(VerdictCode.RETURN))
    batch.add_rule(chain, ex.clear_mark(MASQUERADE_MARK))
    # An endpoint on this node answers through this node, which translates the answer back.
    batch.add_rule(chain, ex.destination_in(pod_network), ex.verdict(VerdictCode.RETURN))
    batch.add_rule(chain, ex.masquerade())


def _add_balancer(batch: Batch, pod_network: IPv4Network, balancer: AddBalancer) -> None:
    chain = chain_name(balancer.node_port, balancer.size)
    batch.add_chain(chain)
    later = ex.verdict(VerdictCode.JUMP, "masquerade-later")
    not_from_here = ex.source_is_local(inverted=True)
    if balancer.node_port:
        batch.add_rule(chain, not_from_here, later)
        name, key = Map.NODE_PORT_ENDPOINTS.value, _node_frontend()
        index = 2
    else:
        batch.add_rule(chain, ex.source_in(pod_network, inverted=True), not_from_here, later)
        name, key = Map.ENDPOINTS.value, _frontend()
        index = 3
    for protocol in (TCP, UDP, SCTP):
        batch.add_rule(
            chain,
            ex.is_protocol(protocol),
            key,
            ex.random_number(ex.narrow(index), balancer.size),
            ex.lookup(name, ex.WIDE, ex.narrow(0)),
            ex.change_destination(ex.narrow(0), ex.narrow(1)),
        )


def _frontend() -> bytes:
    """Load a frontend's key: address, protocol, port."""
    return (
        ex.destination_address(ex.narrow(0))
        + ex.protocol(ex.narrow(1))
        + ex.destination_port(ex.narrow(2))
    )


def _node_frontend() -> bytes:
    """Load a node port's key: protocol, port."""
    return ex.protocol(ex.narrow(0)) + ex.destination_port(ex.narrow(1))


def _to_node() -> bytes:
    """Leave the rule unless the packet goes to one of the node's addresses other than loopback."""
    return ex.destination_is_local() + ex.destination_in(_LOOPBACK, inverted=True)
