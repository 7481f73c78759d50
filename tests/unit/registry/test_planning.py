"""Lists of writes: what counts is the state that they leave, in whatever order they stand."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from podraft.api import kinds
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import requests_pb2
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds.hooks import AddressRanges
from podraft.server.registry import keys
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.errors import RefusedError
from podraft.server.registry.slices import Turns
from podraft.server.registry.writes.operations import Create, DeleteObject, Operation, Patch, Update
from podraft.server.registry.writes.planning import Planner
from podraft.server.registry.writes.plans import PlanInputs, WriteList
from podraft.server.state.datastore import Page, Put, Record
from support.api_objects import example

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RANGES = AddressRanges("10.96.0.0/24", range(30000, 30010))


class Everybody:
    """May do everything."""

    unrestricted = True
    author = b"tests"

    def __call__(self, attributes: Any) -> None:
        return None


class Store:
    """What was committed, with every guard checked."""

    def __init__(self) -> None:
        self.records: dict[bytes, Record] = {}
        self.revision = 0
        self._uids = itertools.count(1)
        self.commit(Create(kinds.NAMESPACE, example(kinds.NAMESPACE, "default")))

    async def get(self, key: bytes) -> Record | None:
        return self.records.get(key)

    async def range(self, prefix: bytes) -> Page:
        found = tuple(r for key, r in sorted(self.records.items()) if key.startswith(prefix))
        return Page(found, self.revision, more=False)

    def commit(self, *operations: Operation) -> None:
        inputs = PlanInputs(
            kinds.BUILT_IN,
            lambda: NOW,
            lambda: f"uid-{next(self._uids)}",
            lambda: "abcde",
            lambda: 0,
            RANGES,
        )
        numbered = len(operations) > 1
        writes = WriteList(operations, Everybody(), Turns().work(b""), numbered=numbered)
        planner = Planner(self, Caches(kinds.Registry(kinds.BUILT_IN)), inputs, writes)
        plan = asyncio.run(planner.plan())
        for guard in plan.transaction.guards:
            found = self.records.get(guard.key)
            assert (found.mod_revision if found is not None else 0) == guard.mod_revision
        self.revision += 1
        for write in plan.transaction.writes:
            if isinstance(write, Put):
                self.records[write.key] = Record(
                    write.key, write.value, self.revision, self.revision
                )
            else:
                self.records.pop(write.key, None)

    def read(self, kind: AnyKind, name: str) -> Any:
        record = self.records.get(keys.of_object(kind, "default", name))
        return None if record is None else kind.message.FromString(record.value)

    def claims(self) -> dict[str, str]:
        return {
            key.decode().partition("/")[2]: record.value.decode()
            for key, record in self.records.items()
            if key.startswith((b"_addresses/", b"_nodeports/"))
        }

    def check_claims(self) -> None:
        """Check that the claims are those that the stored services say."""
        expected = {}
        for key, record in self.records.items():
            if key.startswith(b"services/"):
                found = kinds.SERVICE.message.FromString(record.value)
                owner = f"default/{found.metadata.name}"
                if found.spec.cluster_ip != "None":
                    expected[found.spec.cluster_ip] = owner
                for port in found.spec.ports:
                    if port.node_port:
                        expected[f"{port.node_port}/{port.protocol}"] = owner
        assert self.claims() == expected


def service(name: str, *node_ports: int, address: str = "", type_: str = "NodePort") -> Any:
    made = example(kinds.SERVICE, name)
    del made.spec.ports[:]
    made.spec.type = type_
    if address:
        made.spec.cluster_ip = address
    for index, number in enumerate(node_ports):
        port = made.spec.ports.add(name=f"p{index}", port=80 + index)
        if number:
            port.node_port = number
    return made


def create(*args: Any, **options: Any) -> Create:
    return Create(kinds.SERVICE, service(*args, **options))


def update(*args: Any, **options: Any) -> Update:
    return Update(kinds.SERVICE, service(*args, **options), "")


def patch(name: str, *node_ports: int) -> Patch:
    ports = [{"name": f"p{i}", "port": 80 + i, "nodePort": n} for i, n in enumerate(node_ports)]
    request = requests_pb2.PatchRequest(name=name, namespace="default")
    request.merge_patch = json.dumps({"spec": {"ports": ports}}).encode()
    return Patch(kinds.SERVICE, request)


def remove(name: str) -> DeleteObject:
    return DeleteObject(kinds.SERVICE, requests_pb2.DeleteRequest(name=name, namespace="default"))


def ports(store: Store, name: str) -> list[int]:
    return [port.node_port for port in store.read(kinds.SERVICE, name).spec.ports]


ORDERS = list(itertools.permutations(range(3)))


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("write", [update, patch], ids=["update", "patch"])
def test_services_exchange_node_ports_in_any_order(write: Any, order: Sequence[int]) -> None:
    store = Store()
    store.commit(create("a", 30001), create("b", 30002), create("c", 30003))
    moves = [write("a", 30002), write("b", 30003), write("c", 30001)]
    store.commit(*(moves[index] for index in order))
    assert [ports(store, name) for name in "abc"] == [[30002], [30003], [30001]]
    store.check_claims()


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_a_node_port_and_an_address_go_from_one_service_to_another(order: Sequence[int]) -> None:
    store = Store()
    store.commit(create("a", 30001), create("gone", 30002, address="10.96.0.50"))
    moves: list[Operation] = [
        update("a", 30003),
        create("b", 30001, 30002, address="10.96.0.50"),
        remove("gone"),
    ]
    store.commit(*(moves[index] for index in order))
    assert ports(store, "b") == [30001, 30002]
    assert store.read(kinds.SERVICE, "b").spec.cluster_ip == "10.96.0.50"
    store.check_claims()


def test_a_service_is_made_anew_in_one_transaction_with_what_it_held() -> None:
    store = Store()
    store.commit(create("a", 30001, address="10.96.0.50"))
    before = store.read(kinds.SERVICE, "a")
    store.commit(remove("a"), create("a", 30001, address="10.96.0.50"))
    assert store.read(kinds.SERVICE, "a").metadata.uid != before.metadata.uid
    store.check_claims()


def test_a_change_of_mind_within_one_transaction_counts_at_its_end() -> None:
    store = Store()
    store.commit(create("a", 30001))
    store.commit(update("a", 30002), create("b", 30001), update("a", 30003), update("b", 30002))
    assert (ports(store, "a"), ports(store, "b")) == ([30003], [30002])
    store.check_claims()
    store.commit(update("a", 30004), update("a", 30003))
    store.check_claims()


@pytest.mark.parametrize("asking", [create, patch], ids=["create", "patch"])
@pytest.mark.parametrize("first", [True, False], ids=["asked for later", "asked for first"])
def test_what_one_write_asks_for_is_not_given_to_another(asking: Any, first: bool) -> None:
    store = Store()
    store.commit(create("a", 30009))
    name = "b" if asking is create else "a"
    moves = [create("chosen", 0, 0), asking(name, 30000)]
    store.commit(*(moves if first else reversed(moves)))
    assert ports(store, name) == [30000]
    assert ports(store, "chosen") == [30001, 30002]
    store.check_claims()


@pytest.mark.parametrize(
    ("operations", "fault"),
    [
        ([create("b", 30001)], "30001/TCP is taken by another service, default/a"),
        ([create("b", 0, 30001), create("c", 0)], "writes[0].spec.ports[1].nodePort: 30001/TCP is"),
        (
            [create("b", 30005), create("c", 30005)],
            "writes[1].spec.ports[0].nodePort: 30005/TCP is taken by another service, default/b",
        ),
        (
            [update("a", 30005), create("b", 30005)],
            "writes[1].spec.ports[0].nodePort: 30005/TCP is taken by another service, default/a",
        ),
        ([create("b", 30001), update("a", 30002), update("a", 30001)], "30001/TCP is taken"),
        (
            [create("b", 0, address="10.96.0.50")],
            "spec.clusterIP: 10.96.0.50 is taken by another service, default/a",
        ),
        (
            [create("b", 0, address="10.96.0.9"), create("c", 0, address="10.96.0.9")],
            "writes[1].spec.clusterIP: 10.96.0.9 is taken by another service, default/b",
        ),
    ],
)  # fmt: skip
def test_two_that_want_the_same_at_the_end_are_refused_by_name(
    operations: list[Operation], fault: str
) -> None:
    store = Store()
    store.commit(create("a", 30001, address="10.96.0.50"))
    before = dict(store.records)
    with pytest.raises((RefusedError, InvalidObjectError)) as caught:
        store.commit(*operations)
    assert fault in str(caught.value)
    assert store.records == before


@pytest.mark.parametrize("back", [0, 30007], ids=["chosen again", "asked for"])
@pytest.mark.parametrize("way", ["left out", "null", "type left out"])
def test_a_type_comes_and_goes_with_its_node_ports_and_the_address_stays(
    way: str, back: int
) -> None:
    store = Store()
    store.commit(create("a", 0))
    address = store.read(kinds.SERVICE, "a").spec.cluster_ip
    if way == "left out":
        store.commit(update("a", 0, type_="ClusterIP"))
    else:
        port: dict[str, Any] = {"name": "p0", "port": 80} | (
            {"nodePort": None} if way == "null" else {}
        )
        spec = {"type": "ClusterIP" if way == "null" else None, "ports": [port]}
        request = requests_pb2.PatchRequest(name="a", namespace="default")
        request.merge_patch = json.dumps({"spec": spec}).encode()
        store.commit(Patch(kinds.SERVICE, request))
    found = store.read(kinds.SERVICE, "a")
    assert (found.spec.type, ports(store, "a")) == ("ClusterIP", [0])
    store.check_claims()
    store.commit(update("a", back))
    assert ports(store, "a") == [back or 30000]
    assert store.read(kinds.SERVICE, "a").spec.cluster_ip == address
    store.check_claims()


# ---- A pod's address is looked at together with its node ----


@pytest.mark.parametrize("together", [False, True], ids=["apart", "in one transaction"])
def test_a_pods_status_has_an_address_of_its_node(together: bool) -> None:
    node = example(kinds.NODE, "n0")
    node.spec.pod_cidr = "10.244.1.0/24"
    pod = example(kinds.POD, "web")
    pod.spec.node_name = "n0"
    operations: list[Operation] = [Create(kinds.NODE, node), Create(kinds.POD, pod)]

    def status(address: str) -> Update:
        said = example(kinds.POD, "web")
        said.status.pod_ip = address
        return Update(kinds.POD, said, "status")

    for address, passes in (("10.244.2.7", False), ("10.96.0.1", False), ("10.244.1.7", True)):
        store = Store()
        if not together:
            store.commit(*operations)
        writes = [*operations, status(address)] if together else [status(address)]
        if passes:
            store.commit(*writes)
            # The node may change meanwhile: its pods' statuses do not wait for it.
            assert store.read(kinds.POD, "web").status.pod_ip == address
        else:
            with pytest.raises((RefusedError, InvalidObjectError), match=r"status\.podIP"):
                store.commit(*writes)


@pytest.mark.parametrize("said", [{"metadata": {"labels": {"a": "b"}}}, {"globalDefault": None}])
def test_the_mark_of_the_default_class_goes_from_one_to_another_in_one_list(
    said: dict[str, Any],
) -> None:
    store = Store()
    kind = kinds.PRIORITY_CLASS
    first, second, third = (example(kind, name) for name in ("one", "two", "three"))
    first.global_default = True
    store.commit(*(Create(kind, made) for made in (first, second, third)))

    def patch(name: str, value: dict[str, Any]) -> Patch:
        merge_patch = json.dumps(value).encode()
        return Patch(kind, requests_pb2.PatchRequest(name=name, merge_patch=merge_patch))

    with pytest.raises(RefusedError, match="globalDefault"):
        store.commit(patch("three", said), patch("two", {"globalDefault": True}))
    given, taken = patch("two", {"globalDefault": True}), patch("one", {"globalDefault": False})
    store.commit(patch("three", said), given, taken)
    with pytest.raises(RefusedError, match="globalDefault"):
        store.commit(patch("one", {"globalDefault": True}), patch("three", said))
