"""Services and endpoints in, map elements out: exact, minimal, independent of order."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv4Network

import pytest

from podraft.agent.proxy.core.elements import (
    Add,
    AddBalancer,
    Delete,
    Element,
    Map,
    Operation,
    Value,
    balancer_of,
    elements_of,
    place,
)
from podraft.agent.proxy.core.flows import Flow, StaleFlow, StaleFlows
from podraft.agent.proxy.core.frontends import (
    SCTP,
    TCP,
    UDP,
    Endpoint,
    Frontend,
    Frontends,
    ServiceKey,
    frontends_of,
    slice_owner,
)
from podraft.agent.proxy.core.table import ServiceTable
from podraft.api.core.v1.service_pb2 import Service
from podraft.api.discovery.v1.endpoint_slice_pb2 import Endpoint as SliceEndpoint
from podraft.api.discovery.v1.endpoint_slice_pb2 import EndpointSlice

PODS = IPv4Network("10.244.1.0/24")
VIP = IPv4Address("10.96.0.10")
KEY = ServiceKey("default", "web")


def at(number: int, port: int = 8080) -> Endpoint:
    return Endpoint(IPv4Address(f"10.244.1.{number}"), port)


def service(**spec: object) -> Service:
    made = Service()
    made.metadata.name, made.metadata.namespace = KEY.name, KEY.namespace
    made.spec.cluster_ip = str(VIP)
    made.spec.type = "ClusterIP"
    port = made.spec.ports.add(name="http", protocol="TCP", port=80)
    if node_port := spec.pop("node_port", 0):
        assert isinstance(node_port, int)
        port.node_port = node_port
        made.spec.type = "NodePort"
    for name, value in spec.items():
        setattr(made.spec, name, value)
    return made


def slice_of(*endpoints: SliceEndpoint, port: int = 8080, name: str = "http") -> EndpointSlice:
    made = EndpointSlice(address_type="IPv4", endpoints=endpoints)
    made.metadata.namespace = KEY.namespace
    made.metadata.labels["kubernetes.io/service-name"] = KEY.name
    made.ports.add(name=name, protocol="TCP", port=port)
    return made


def endpoint(number: int, **conditions: bool) -> SliceEndpoint:
    made = SliceEndpoint(addresses=[f"10.244.1.{number}"])
    for name, value in conditions.items():
        setattr(made.conditions, name, value)
    return made


HTTP = Frontend(VIP, TCP, 80)


def test_ready_endpoints_are_chosen() -> None:
    found = frontends_of(
        service(),
        [
            slice_of(endpoint(2, ready=True), endpoint(3, ready=False)),
            slice_of(endpoint(4, ready=True), port=9090),
        ],
    )
    assert found == {HTTP: {at(2), at(4, 9090)}}


def test_draining_endpoints_are_chosen_only_where_none_is_ready() -> None:
    draining = endpoint(3, ready=False, serving=True, terminating=True)
    ready = endpoint(2, ready=True)
    dead = endpoint(4, ready=False, serving=False, terminating=True)
    assert frontends_of(service(), [slice_of(ready, draining, dead)]) == {HTTP: {at(2)}}
    assert frontends_of(service(), [slice_of(draining, dead)]) == {HTTP: {at(3)}}
    assert frontends_of(service(), [slice_of(dead)]) == {HTTP: frozenset()}


def test_an_endpoint_that_terminates_is_not_ready_whatever_it_says() -> None:
    both = endpoint(2, ready=True, terminating=True, serving=True)
    assert frontends_of(service(), [slice_of(both, endpoint(3, ready=True))]) == {HTTP: {at(3)}}


def test_a_slice_written_by_hand_without_conditions_counts_as_ready() -> None:
    assert frontends_of(service(), [slice_of(endpoint(9))]) == {HTTP: {at(9)}}


def test_ports_are_matched_by_name_and_protocol() -> None:
    assert frontends_of(service(), [slice_of(endpoint(2), name="other")]) == {HTTP: frozenset()}


def test_a_service_that_publishes_unready_addresses_gets_them() -> None:
    tolerant = service(publish_not_ready_addresses=True)
    assert frontends_of(tolerant, [slice_of(endpoint(2, ready=False))]) == {HTTP: {at(2)}}


def test_a_node_port_has_the_same_endpoints() -> None:
    found = frontends_of(service(node_port=30080), [slice_of(endpoint(2))])
    assert found == {HTTP: {at(2)}, Frontend(None, TCP, 30080): {at(2)}}


@pytest.mark.parametrize(
    "unaddressed",
    [service(cluster_ip="None"), service(cluster_ip=""), service(type="ExternalName"), None],
)
def test_services_without_an_address_have_no_frontend(unaddressed: Service | None) -> None:
    assert frontends_of(unaddressed, [slice_of(endpoint(2))]) == {}


def test_a_slice_belongs_to_the_service_that_its_label_names() -> None:
    assert slice_owner(slice_of()) == KEY
    assert slice_owner(EndpointSlice()) is None


def test_who_stays_keeps_its_place_and_the_last_fills_the_hole() -> None:
    assert place((at(1), at(2), at(3)), frozenset({at(1), at(3)})) == (at(1), at(3))
    assert place((at(3), at(1)), frozenset({at(1), at(3), at(2)})) == (at(3), at(1), at(2))
    assert place((at(3), at(1)), frozenset({at(2), at(1)})) == (at(2), at(1))


def test_one_endpoint_less_is_four_elements() -> None:
    """The last moves into the hole; the service now leads to the smaller chain."""
    table = ServiceTable(IPv4Network("10.99.0.0/24"))
    table.update({KEY: {HTTP: frozenset({at(1), at(2), at(3)})}})
    operations = table.update({KEY: {HTTP: frozenset({at(1), at(3)})}}).operations
    key = (VIP, TCP, 80)
    assert operations == (
        AddBalancer(node_port=False, size=2),
        Delete(Map.SERVICES, key),
        Delete(Map.ENDPOINTS, (*key, 1)),
        Delete(Map.ENDPOINTS, (*key, 2)),
        Add(Map.SERVICES, key, 2),
        Add(Map.ENDPOINTS, (*key, 1), at(3)),
    )


def test_udp_flows_to_who_is_gone_are_to_be_forgotten() -> None:
    frontend = Frontend(VIP, UDP, 53)
    table = ServiceTable(PODS)
    first = table.update({KEY: {frontend: frozenset({at(1)})}}).stale_flows
    assert first == (StaleFlow(frontend, None),), "flows that found nobody must look again"
    moved = table.update({KEY: {frontend: frozenset({at(2)})}}).stale_flows
    assert moved == (StaleFlow(frontend, at(1)),)
    assert table.update({KEY: {}}).stale_flows == (StaleFlow(frontend, at(2)),)


NODE = frozenset({IPv4Address("192.0.2.1"), IPv4Address("10.244.1.1")})


@pytest.mark.parametrize("protocol", [UDP, SCTP])
@pytest.mark.parametrize(
    ("frontend", "destinations"),
    [
        (Frontend(VIP, UDP, 53), [VIP]),
        (Frontend(None, UDP, 53), sorted(NODE)),
    ],
)
def test_a_flow_is_stale_at_every_address_of_its_frontend(
    frontend: Frontend, destinations: list[IPv4Address], protocol: int
) -> None:
    frontend = frontend._replace(protocol=protocol)
    table = ServiceTable(PODS)
    elsewhere = Flow(protocol, Endpoint(IPv4Address("192.0.2.9"), 53), at(1))
    sent = [Endpoint(address, 53) for address in destinations]
    lost = [Flow(protocol, destination, destination) for destination in sent]
    to_one, to_two = ([Flow(protocol, each, at(number)) for each in sent] for number in (1, 2))

    def stale(*endpoints: Endpoint) -> set[Flow]:
        changes = table.update({KEY: {frontend: frozenset(endpoints)}})
        judge = StaleFlows(changes.stale_flows)
        return {f for f in (*lost, *to_one, *to_two, elsewhere) if judge.holds(f, NODE)}

    assert stale() == set()
    assert stale(at(1)) == {*lost}, "what found nobody must look again"
    assert stale(at(1), at(2)) == set()
    assert stale(at(2)) == {*to_one}
    assert stale() == {*to_two}
    assert stale(at(2)) == {*lost}
    # A proxy that has just started judges by what there is.
    judge = StaleFlows((), table.offered)
    assert {f for f in (*lost, *to_one, *to_two, elsewhere) if judge.holds(f, NODE)} == {
        *lost,
        *to_one,
    }
    # A pod of the node's own network answers at the node's address, at its own port.
    own = Endpoint(destinations[0], 8080)
    assert stale(own) == {*to_two}
    assert StaleFlows(table.update({KEY: {}}).stale_flows).holds(Flow(protocol, sent[0], own), NODE)


def test_connections_with_an_end_are_left_alone() -> None:
    table = ServiceTable(PODS)
    frontend = Frontend(VIP, TCP, 80)
    table.update({KEY: {frontend: frozenset({at(1)})}})
    assert table.update({KEY: {frontend: frozenset({at(2)})}}).stale_flows == ()


def test_an_address_that_changes_hands_in_one_round_or_two_ends_with_its_new_owner() -> None:
    other = ServiceKey("default", "another")
    gone: dict[ServiceKey, Frontends] = {KEY: {}}
    new: dict[ServiceKey, Frontends] = {other: {HTTP: frozenset({at(5)})}}
    for rounds in ([gone | new], [new, gone]):
        table = ServiceTable(PODS)
        table.update({KEY: {HTTP: frozenset({at(1)})}})
        for changed in rounds:
            table.update(changed)
        assert dict(table.contents())[(Map.ENDPOINTS, (VIP, TCP, 80, 0))] == at(5)


class Model:
    """The kernel's maps, and how it would object."""

    def __init__(self) -> None:
        self.elements: dict[Element, Value] = {}
        self.balancers: set[AddBalancer] = set()

    def apply(self, operations: tuple[Operation, ...]) -> None:
        for operation in operations:
            match operation:
                case AddBalancer():
                    assert operation not in self.balancers
                    self.balancers.add(operation)
                case Delete():
                    assert (operation.map, operation.key) in self.elements, operation
                    del self.elements[operation.map, operation.key]
                case Add():
                    assert (operation.map, operation.key) not in self.elements, operation
                    if isinstance(operation.value, int):
                        node_port = operation.map is Map.NODE_PORTS
                        assert AddBalancer(node_port, operation.value) in self.balancers
                    self.elements[operation.map, operation.key] = operation.value


def random_frontends(rng: random.Random) -> Frontends:
    """Return few frontends from a small space, so that services collide."""
    found: dict[Frontend, frozenset[Endpoint]] = {}
    for _ in range(rng.randint(0, 3)):
        address = None if rng.random() < 0.3 else IPv4Address(f"10.96.0.{rng.randint(1, 6)}")
        frontend = Frontend(address, rng.choice((TCP, UDP)), rng.randint(1, 2))
        found[frontend] = frozenset(
            Endpoint(IPv4Address(f"10.244.{rng.randint(1, 2)}.{rng.randint(2, 6)}"), 8080)
            for _ in range(rng.randint(0, 4))
        )
    return found


def wanted_elements(services: dict[ServiceKey, Frontends]) -> set[tuple[Element, object]]:
    """Compute what must be there from all services at once, leaving the places open."""
    owners: dict[Frontend, frozenset[Endpoint]] = {}
    for key in sorted(services, reverse=True):
        owners.update(services[key])
    wanted: set[tuple[Element, object]] = set()
    for frontend, endpoints in owners.items():
        for (map_, key_), value in elements_of(frontend, sorted(endpoints), PODS):
            placed = map_ in (Map.ENDPOINTS, Map.NODE_PORT_ENDPOINTS)
            wanted.add(((map_, key_), None if placed else value))
            if placed:
                wanted.add(((map_, key_[:-1]), value))
    return wanted


def observed_elements(elements: dict[Element, Value]) -> set[tuple[Element, object]]:
    observed: set[tuple[Element, object]] = set()
    for (map_, key), value in elements.items():
        placed = map_ in (Map.ENDPOINTS, Map.NODE_PORT_ENDPOINTS)
        observed.add(((map_, key), None if placed else value))
        if placed:
            observed.add(((map_, key[:-1]), value))
    return observed


@pytest.mark.parametrize("seed", range(40))
def test_random_changes_lead_exactly_to_what_is_wanted_and_touch_nothing_else(seed: int) -> None:
    rng = random.Random(seed)  # The seed is the test's parameter, so a failure shows it.
    table, model = ServiceTable(PODS), Model()
    services: dict[ServiceKey, Frontends] = {}
    for _ in range(60):
        changed = {
            ServiceKey("default", f"s{rng.randint(0, 7)}"): random_frontends(rng)
            for _ in range(rng.randint(1, 3))
        }
        services.update(changed)
        before = dict(model.elements)
        operations = table.update(changed).operations
        model.apply(operations)

        assert model.elements == dict(table.contents())
        assert observed_elements(model.elements) == wanted_elements(services)
        touched = {(o.map, o.key) for o in operations if not isinstance(o, AddBalancer)}
        for element in touched:
            old, new = before.get(element, "absent"), model.elements.get(element, "absent")
            assert old != new, f"{element} was rewritten in vain"

        rebuilt = Model()
        rebuilt.apply(table.rebuild())
        assert rebuilt.elements == model.elements
        model.balancers = set(rebuilt.balancers)
    assert table.update(services).operations == (), "nothing changed, nothing to do"


def test_a_rebuilt_table_has_only_the_chains_it_needs() -> None:
    table = ServiceTable(PODS)
    table.update({KEY: {HTTP: frozenset({at(1), at(2), at(3)})}})
    table.update({KEY: {HTTP: frozenset({at(1)})}})
    chains = [o for o in table.rebuild() if isinstance(o, AddBalancer)]
    assert chains == [balancer_of(HTTP, [at(1)])]
