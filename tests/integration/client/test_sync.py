"""The blocking client against a real server: the asynchronous calls, waited for."""

from __future__ import annotations

import asyncio
import gc
import inspect
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from local_cluster.server_process import ServerProcess
from podraft.api import codec
from podraft.api.apiextensions.v1.custom_resource_definition_pb2 import CustomResourceDefinition
from podraft.api.core.v1 import config_pb2
from podraft.api.kinds import BUILT_IN
from podraft.api.violations import InvalidObjectError
from podraft.client.calls.client import Client
from podraft.client.calls.resources import ResourceClient
from podraft.client.connecting.config import load
from podraft.client.errors import ConflictError, InvalidError, NotFoundError
from podraft.client.sync import connect
from podraft.client.sync.loop import shared_loop
from support.waiting import eventually


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture
def client(server):
    with connect(load(server.data_dir / "admin.conf")) as connected:
        yield connected


def entry(name, **data):
    made = config_pb2.ConfigMap(data=data)
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


def public(cls):
    return {name for name, _ in inspect.getmembers(cls) if not name.startswith("_")}


def test_every_call_of_a_kind_has_its_blocking_form(client):
    assert public(ResourceClient) <= set(vars(client.config_maps))


def test_every_kind_is_a_property_of_both_clients(client):
    names = [name for name in public(Client) if isinstance(getattr(Client, name), property)]
    kinds = {getattr(client, name).kind for name in names if hasattr(type(client), name)}
    assert kinds == set(BUILT_IN)


def test_threads_share_a_client_and_the_process_one_loop(client, server):
    with connect(load(server.data_dir / "admin.conf")) as other, ThreadPoolExecutor(8) as pool:
        clients = [(client, other)[n % 2] for n in range(32)]
        made = list(
            pool.map(lambda n: clients[n].config_maps.create(entry(f"of-{n}")), range(len(clients)))
        )
    assert len({one.metadata.uid for one in made}) == 32
    assert sum(thread.name == "podraft-calls" for thread in threading.enumerate()) == 1


def test_errors_are_those_of_the_asynchronous_client(client):
    with pytest.raises(InvalidError) as refused:
        client.config_maps.create(entry("Not A Name"))
    assert refused.value.violations[0].field == "metadata.name"


def running_tasks():
    async def count():
        return len(asyncio.all_tasks())

    return shared_loop().run(count())


def test_a_watch_that_is_left_ends(client):
    client.config_maps.list()  # The connection is there, and what it needs.
    before = running_tasks()
    for batch in client.namespaces.watch():
        assert batch
        break
    gc.collect()
    eventually(lambda: running_tasks() == before)
    with client.namespaces.watch() as changes:
        next(changes)
    with pytest.raises(StopIteration):
        next(changes)


def test_an_interrupted_call_is_cancelled(client):
    begun, ended = threading.Event(), threading.Event()

    async def lasting(_):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def interrupt(caller):
        if begun.wait(10):
            signal.pthread_kill(caller, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt, args=(threading.get_ident(),))
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        client.run(lasting)
    interrupting.join(10)
    assert ended.wait(10)


def test_a_closed_client_says_so(server):
    with connect(load(server.data_dir / "admin.conf")) as client:
        pods = client.pods
    client.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        pods.list()


def test_a_blocking_call_on_the_loop_itself_is_an_error_not_a_standstill(client):
    async def blocks(_):
        client.version()

    with pytest.raises(RuntimeError, match="hand it to another thread"):
        client.run(blocks)


def test_a_copy_tells_a_busy_handler_all_changes_of_an_object_as_one(client):
    told, busy, first = [], threading.Event(), threading.Event()

    def handler(old, new):
        told.append(tuple(one.data["n"] if one else None for one in (old, new)))
        first.set()
        assert busy.wait(30)

    selector = "metadata.name=counted"
    with client.config_maps.informer("default", field_selector=selector) as copy:
        copy.synced()
        copy.add_handler(handler)
        client.config_maps.create(entry("counted", n="0"))
        assert first.wait(30)
        for number in range(1, 4):
            last = client.config_maps.patch("counted", {"data": {"n": str(number)}}, "default")
        copy.wait_for(int(last.metadata.resource_version))
        busy.set()
        eventually(lambda: len(told) == 2)
    assert told == [(None, "0"), ("0", "3")]


def test_what_ends_an_informer_is_raised_by_it(client):
    with (
        pytest.raises(InvalidError),
        client.config_maps.informer(label_selector="not a selector") as copy,
    ):
        copy.synced()

    def handler(old, new):
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"), client.namespaces.informer() as copy:
        copy.synced()
        copy.add_handler(handler)
        eventually(lambda: not any(t.name == "podraft-handler" for t in threading.enumerate()))


PROPERTIES = {"n": {"type": "integer"}, "note": {"type": "string"}}
COUNTER = {
    "metadata": {"name": "counters.shop.example.com"},
    "spec": {
        "group": "shop.example.com",
        "scope": "Namespaced",
        "names": {"plural": "counters", "kind": "Counter"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "properties": PROPERTIES}},
                    }
                },
            }
        ],
    },
}


def test_objects_of_a_declared_kind_are_dicts_with_all_the_calls(client):
    name = COUNTER["metadata"]["name"]
    with pytest.raises(NotFoundError):
        client.declared("nothings.shop.example.com", dict)
    client.custom_resource_definitions.create(codec.parse(CustomResourceDefinition, COUNTER))
    client.custom_resource_definitions.wait_for_condition(name, "Established", timeout_s=30)
    with pytest.raises(ValueError, match="expected dict or a dataclass, got <class 'int'>"):
        client.declared(name, int)
    counters = client.declared(name, dict)
    metadata = {"name": "one", "namespace": "default"}

    with pytest.raises(InvalidObjectError, match="apiVersion"):
        counters.create({"apiVersion": "shop.example.com/v2", "metadata": metadata})
    with pytest.raises(InvalidError, match=r"spec\.n"):
        counters.create({"metadata": metadata, "spec": {"n": "many"}})
    made = counters.create({"metadata": metadata, "spec": {"n": 1, "note": "first"}})
    assert (made["apiVersion"], made["kind"]) == ("shop.example.com/v1", "Counter")
    assert list(counters.list("default").items) == [counters.get("one", "default")] == [made]

    changed = counters.update({**made, "spec": {"n": 2}})
    assert changed["spec"] == {"n": 2}
    with pytest.raises(ConflictError):
        counters.update({**made, "spec": {"n": 3}})
    applied = counters.apply({"metadata": metadata, "spec": {"note": "applied"}}, "somebody")
    assert applied["spec"] == {"note": "applied"}  # A spec without known fields is one value.
    found = counters.wait("one", lambda one: "n" not in one["spec"], "default", timeout_s=30)
    assert found == applied

    counters.delete("one", "default")
    assert counters.wait("one", lambda one: one is None, "default", timeout_s=30) is None
