"""Addresses and node ports: no two services ever hold the same one, and none leaks."""

from __future__ import annotations

import random
from typing import Any

import pytest

from podraft.api.core.v1 import service_pb2
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds.core.service import spec as services
from podraft.server.kinds.core.service.addresses import (
    asked_keys,
    assign,
    claimed_keys,
)
from podraft.server.kinds.hooks import AddressRanges, Assignment, Choice
from podraft.server.kinds.report import Report

CIDR = "10.96.0.0/16"
PORTS = range(30000, 32768)


def service(kind: str = "ClusterIP", address: str = "", *ports: int) -> service_pb2.Service:
    result = service_pb2.Service()
    result.spec.type = kind
    result.spec.cluster_ip = address
    for index, node_port in enumerate(ports or (0,)):
        result.spec.ports.add(name=f"p{index}", port=80 + index, node_port=node_port)
    services.default(result)
    return result


def give(
    wanted: service_pb2.Service,
    stored: service_pb2.Service | None = None,
    taken: Any = frozenset(),
    cidr: str = CIDR,
    ports: range = PORTS,
    start: int = 0,
) -> Assignment[service_pb2.Service]:
    return assign(wanted, stored, Choice(AddressRanges(cidr, ports), taken.__contains__, start))


def refused(*args: Any, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidObjectError) as caught:
        give(*args, **options)
    return [(violation.field, violation.description) for violation in caught.value.violations]


def test_a_service_gets_the_next_free_address_from_the_start() -> None:
    result = give(service(), taken={b"_addresses/10.96.0.16", b"_addresses/10.96.0.17"})
    assert result.object.spec.cluster_ip == "10.96.0.18"
    assert list(result.object.spec.cluster_ips) == ["10.96.0.18"]
    assert (result.claim, result.release) == ((b"_addresses/10.96.0.18",), ())


def test_the_choice_goes_around_once() -> None:
    # A /29 has the six usable addresses .1 to .6; offset 3 is where the search begins.
    taken: set[bytes] = set()
    given = []
    for _ in range(6):
        result = give(service(), taken=taken, cidr="10.0.0.0/29", start=3)
        given.append(result.object.spec.cluster_ip)
        taken |= set(result.claim)
    assert given == [f"10.0.0.{n}" for n in (4, 5, 6, 1, 2, 3)]
    expected = [("spec.clusterIP", "no address is free in 10.0.0.0/29")]
    assert refused(service(), taken=taken, cidr="10.0.0.0/29") == expected


def test_a_chosen_address_must_be_in_range() -> None:
    assert give(service(address="10.96.0.10")).claim == (b"_addresses/10.96.0.10",)
    for outside in ("10.97.0.1", "10.96.0.0", "10.96.255.255"):
        expected = f'must be in 10.96.0.1 to 10.96.255.254, is "{outside}"'
        assert refused(service(address=outside)) == [("spec.clusterIP", expected)]


def test_a_headless_service_claims_nothing() -> None:
    result = give(service(address="None"))
    assert (result.claim, result.release) == ((), ())
    assert result.object.spec.cluster_ip == "None"


def test_node_ports_are_chosen_after_those_that_were_asked_for() -> None:
    result = give(service("NodePort", "", 0, 30000, 0))
    assert [port.node_port for port in result.object.spec.ports] == [30001, 30000, 30002]
    assert set(result.claim) >= {f"_nodeports/{n}/TCP".encode() for n in (30000, 30001, 30002)}


def test_protocols_have_their_own_node_ports() -> None:
    wanted = service("NodePort", "", 30053)
    wanted.spec.ports[0].protocol = "UDP"
    result = give(wanted, taken={b"_nodeports/30053/TCP"})
    assert b"_nodeports/30053/UDP" in result.claim


def test_a_foreign_or_exhausted_node_port_is_named() -> None:
    assert refused(service("NodePort", "", 8080)) == [
        ("spec.ports[0].nodePort", "must be 30000 to 32767, is 8080")
    ]
    assert refused(service("NodePort", "", 0, 0, 0), ports=range(30000, 30002)) == [
        ("spec.ports[2].nodePort", "no port is free in 30000 to 30001")
    ]


def test_a_service_keeps_what_it_holds() -> None:
    first = give(service("NodePort"))
    again = give(first.object, first.object, taken=set(first.claim), start=99)
    assert again == Assignment(first.object, (), ())


def test_a_change_of_type_releases_node_ports() -> None:
    first = give(service("NodePort"))
    wanted = service_pb2.Service()
    wanted.CopyFrom(first.object)
    wanted.spec.type = "ClusterIP"
    services.leave(first.object, wanted)
    result = give(wanted, first.object, taken=set(first.claim))
    assert result.object.spec.ports[0].node_port == 0
    assert (result.claim, result.release) == ((), (b"_nodeports/30000/TCP",))


def test_an_update_that_says_nothing_of_them_keeps_address_and_node_ports() -> None:
    stored = give(service("NodePort", "", 0, 0)).object
    wanted = service("NodePort", "", 0, 0)
    wanted.spec.ports.add(name="new", port=99, protocol="TCP")
    services.keep(stored, wanted)
    assert wanted.spec.cluster_ip == stored.spec.cluster_ip
    assert [p.node_port for p in wanted.spec.ports] == [30000, 30001, 0]


def test_an_address_cannot_be_exchanged() -> None:
    report = Report()
    services.check_change(service(address="10.96.0.1"), service(address="10.96.0.2"), report)
    assert [str(violation) for violation in report.violations] == [
        'spec.clusterIP: cannot be changed: it is 10.96.0.1, got "10.96.0.2"'
    ]


def test_claims_and_releases_always_add_up_to_what_is_held() -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    held: dict[int, service_pb2.Service] = {}
    taken: set[bytes] = set()
    for _ in range(600):
        key = rng.randrange(12)
        stored = held.get(key)
        if stored is not None and rng.random() < 0.3:
            taken -= set(claimed_keys(held.pop(key)))
            continue
        kind = rng.choice(["ClusterIP", "NodePort"])
        ports = [rng.choice([0, rng.choice(range(30000, 30020))]) for _ in range(rng.randint(1, 3))]
        wanted = service(kind, "", *(ports if kind == "NodePort" else [0] * len(ports)))
        if stored is not None:
            services.keep(stored, wanted)
        try:
            result = give(
                wanted,
                stored,
                taken=taken,
                cidr="10.0.0.0/28",
                ports=range(30000, 30020),
                start=rng.randrange(100),
            )
        except InvalidObjectError:
            continue
        if taken.intersection(result.claim):  # Asked for, and another's: seen by who plans.
            assert taken.intersection(result.claim) <= set(asked_keys(wanted))
            continue
        assert not taken.intersection(result.claim)
        assert taken.issuperset(result.release)
        taken = (taken - set(result.release)) | set(result.claim)
        held[key] = result.object
        everything = [claim for other in held.values() for claim in claimed_keys(other)]
        assert len(everything) == len(set(everything))
        assert set(everything) == taken
