"""An id that was used before opens nothing: every call that takes one, by everyone.

The table: each RPC with a request id, for each identity, with an id that it used itself for other
writes, and with an id under which an administrator made this very call.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any, NamedTuple

import grpc
import pytest

from local_cluster.server_process import ServerProcess
from podraft.api import kinds
from podraft.api.cluster.v1 import cluster_pb2, commit_pb2
from podraft.api.core.v1 import config_pb2, pod_pb2, scheduling_pb2
from podraft.api.kinds import BUILT_IN, AnyKind
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls import writes
from podraft.server.encryption.key_file import beside
from podraft.server.state.datastore import Committed, Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions
from support import object_calls
from support.api_objects import example
from support.identities import NODE, OTHER_NODE, Answer, Speaker, everyone, speaking
from support.object_calls import COMMIT, KINDS, Aim, Method

OK = grpc.StatusCode.OK
DENIED = grpc.StatusCode.PERMISSION_DENIED
INVALID = grpc.StatusCode.INVALID_ARGUMENT
AT_ONCE = 16
GET_VERSION = "/podraft.api.cluster.v1.ClusterService/GetVersion"
BIND = f"/{kinds.POD.service}/BindPod"
# In every object that is aimed at; whoever may not read it never sees it.
MARK = b"c0nf1dent1al"


class Call(NamedTuple):
    """A method, and its request with a given id, which ``counts`` if the contract says so."""

    method: str
    request: Callable[[bytes], Any]
    counts: bool = True


def target(kind: AnyKind, name: str) -> Any:
    made = object_calls.example_of(kind, name)
    made.metadata.annotations["mark"] = MARK.decode()
    if kind is kinds.SECRET:
        made.data["password"] = MARK
    if kind is kinds.POD:
        made.spec.node_name = "elsewhere"
    return made


def event(name: str) -> Any:
    """An Event that a node may write, and everybody who may write any."""
    made = example(kinds.EVENT, name)
    made.reporting_instance = NODE
    return made


def options(request_id: bytes) -> requests_pb2.WriteOptions:
    return requests_pb2.WriteOptions(request_id=request_id)


def commit(request_id: bytes, *wanted: commit_pb2.Write) -> commit_pb2.CommitRequest:
    return commit_pb2.CommitRequest(writes=wanted, options=options(request_id))


def calls(name: str) -> Iterator[Call]:
    """Every call on objects called ``name``."""
    for kind in KINDS:
        yield from calls_on(kind, target(kind, name))


def calls_on(kind: AnyKind, made: Any) -> Iterator[Call]:
    def aim(used: bytes) -> Aim:
        return Aim(kind, made, request_id=used)

    def in_way(method: Method, number: int, used: bytes) -> Any:
        return list(object_calls.requests(method, aim(used)))[number][1]

    def committed(write: commit_pb2.Write, used: bytes) -> Any:
        return object_calls.commit(aim(used), write)

    def beside(write: commit_pb2.Write, used: bytes) -> Any:
        some = event("")
        some.metadata.generate_name = "beside-"
        # Beside what everyone may write who may write anything.
        return object_calls.commit(aim(used), writes.create(some), write)

    for method in object_calls.methods_of(kind):
        if object_calls.takes_an_id(method.request.DESCRIPTOR):
            counts = method.request is not requests_pb2.DeleteCollectionRequest
            for number, _ in enumerate(object_calls.requests(method, aim(b""))):
                yield Call(method.path, partial(in_way, method, number), counts)
    if kind in BUILT_IN:
        for write in object_calls.writes_of(aim(b"")).values():
            yield Call(COMMIT, partial(committed, write))
            yield Call(COMMIT, partial(beside, write))


def test_the_table_holds_every_call_with_a_request_id():
    reviews = {kind.service for kind in BUILT_IN.answered()}  # They are never stored.
    with_id = {
        f"/{service.full_name}/{method.name}"
        for service in object_calls.every_service()
        for method in service.methods
        if object_calls.takes_an_id(method.input_type) and service.full_name not in reviews
    }
    assert {call.method for call in calls("x")} == with_id


def told(answer: Answer) -> str:
    """What the caller learns, but for the names that follow from its id."""
    return re.sub("beside-[a-z0-9]+", "beside", f"{answer}")


async def revision(speaker: Speaker) -> int:
    answer = await speaker.ask(GET_VERSION, b"")
    return int(cluster_pb2.Version.FromString(answer.data).resource_version)


async def create(speaker: Speaker, made: Any, used: bytes = b"") -> Answer:
    kind = kinds.BUILT_IN.of(made)
    request = kind.create_request(**{kind.field: made, "options": options(used)})
    return await speaker.ask(kind.method("Create"), request)


@pytest.mark.parametrize("who", [NODE, "scheduler", "controllers", "admin"])
def test_ones_own_id_of_other_writes_opens_nothing(configs, who):
    name = f"aimed-at-by-{who}"
    used = os.urandom(16)

    async def scenario(speakers):
        admin, me = speakers["admin"], speakers[who]
        for kind in BUILT_IN:
            assert (await create(admin, target(kind, name))).code is OK
        first = await create(me, event(f"by-{who}"), used)
        assert first.code is OK, first
        made = [call for call in calls(name) if call.counts]
        before = await revision(admin)
        answers = await asked(me, [(call.method, call.request(used)) for call in made])
        assert await revision(admin) == before
        for call, answer in zip(made, answers, strict=True):
            what = f"{who}: {call.method} {call.request(used)}: {answer}"
            assert answer.code in (DENIED, INVALID), what
            assert MARK not in answer.told, what
        fresh = await asked(me, [(call.method, call.request(os.urandom(16))) for call in made])
        for call, answer, other in zip(made, answers, fresh, strict=True):
            if other.code is DENIED:
                assert told(answer) == told(other), f"{who}: {call.method}"

    speaking(configs, scenario)


async def asked(speaker: Speaker, requests: Sequence[tuple[str, Any]]) -> list[Answer]:
    """Return the answers to calls, of which some are made at once."""
    answers: list[Answer] = []
    for first in range(0, len(requests), AT_ONCE):
        some = requests[first : first + AT_ONCE]
        answers += await asyncio.gather(*(speaker.ask(*request) for request in some))
    return answers


def test_an_administrators_id_opens_nothing_to_others(configs):
    others = (NODE, OTHER_NODE, "scheduler", "ann")

    async def scenario(speakers):
        for kind in KINDS:
            word = f"aimed-{kind.name.lower()}-{kind.api_version.rpartition('/')[2]}"
            for index, call in enumerate(calls_on(kind, target(kind, word))):
                used = os.urandom(16)
                await speakers["admin"].ask(call.method, call.request(used))
                for who in others:
                    requests = [call.request(os.urandom(16)), call.request(used)]
                    fresh, again = await asked(
                        speakers[who], [(call.method, request) for request in requests]
                    )
                    what = f"{who}: call {index} on {kind}: {again}, {fresh}"
                    assert again.code is fresh.code, what
                    if fresh.code is DENIED:
                        assert told(again) == told(fresh), what
                        assert MARK not in again.told, what

    speaking(configs, scenario)


def test_who_repeats_his_own_call_gets_its_answer_though_he_could_not_make_it_now(configs):
    async def scenario(speakers):
        admin, node = speakers["admin"], speakers[NODE]
        pod = example(kinds.POD, "short-lived")
        pod.spec.node_name = NODE
        assert (await create(admin, pod)).code is OK
        used = [os.urandom(16) for _ in range(2)]
        pod.status.phase = "Running"
        status: Any = kinds.POD.update_request(pod=pod, options=options(used[0]))
        update = kinds.POD.method("UpdateStatus")
        first = await node.ask(update, status)
        assert first.code is OK, first
        place: dict[str, Any] = {"namespace": "default", "name": "short-lived"}
        delete = kinds.POD.method("Delete")
        assert (await admin.ask(delete, requests_pb2.DeleteRequest(**place))).code is OK
        removal = requests_pb2.DeleteRequest(
            **place,
            options=requests_pb2.DeleteOptions(request_id=used[1], grace_period_seconds=0),
        )
        gone = await node.ask(delete, removal)
        assert gone.code is OK, gone
        # The pod is another node's now.
        pod.spec.node_name = "elsewhere"
        assert (await create(admin, target(kinds.POD, "short-lived"))).code is OK
        assert await node.ask(update, status) == first
        assert await node.ask(delete, removal) == gone
        status.options.request_id = os.urandom(16)
        assert (await node.ask(update, status)).code is DENIED

    speaking(configs, scenario)


def test_the_same_writes_in_another_order_of_bytes_are_the_same_call(configs):
    async def scenario(speakers):
        admin = speakers["admin"]
        data = {f"key-{number}": "v" for number in range(50)}
        made, turned = (
            config_pb2.ConfigMap(data=dict(entries))
            for entries in (data.items(), reversed(data.items()))
        )
        made.metadata.name = turned.metadata.name = "ordered"
        made.metadata.namespace = turned.metadata.namespace = "default"
        used = os.urandom(16)
        first = await create(admin, made, used)
        assert first.code is OK
        assert await create(admin, turned, used) == first
        turned.data["key-0"] = "w"
        assert (await create(admin, turned, used)).code is INVALID

    speaking(configs, scenario)


def test_ids_that_an_older_version_remembered_open_nothing(tmp_path):
    """It kept no digests: such an id is answered if its call can have made what is asked for."""
    used = os.urandom(16)
    with ServerProcess(tmp_path / "data") as process:
        configs = everyone(process, tmp_path)

        async def prepare(speakers):
            assert (await create(speakers["admin"], target(kinds.SECRET, "hidden"))).code is OK

        speaking(configs, prepare)
        process.stop()
        asyncio.run(_write_as_an_older_version(process, used))
        process.start()

        async def scenario(speakers):
            node = speakers[NODE]
            answer = await create(node, event("old"), used)
            assert answer.code is OK
            assert kinds.EVENT.message.FromString(answer.data).note == "as it was"
            for wanted in (
                [writes.update(target(kinds.SECRET, "hidden"))],
                [writes.create(event("old")), writes.update(target(kinds.SECRET, "hidden"))],
                [writes.create(event("old")), writes.delete(kinds.SECRET, "hidden", "default")],
            ):
                answer = await node.ask(COMMIT, commit(used, *wanted))
                assert answer.code is DENIED
                assert MARK not in answer.told
            assert (await create(node, event("new"), used)).code is INVALID

        speaking(configs, scenario)


async def _write_as_an_older_version(process: ServerProcess, used: bytes) -> None:
    author = f"system:node:{NODE}".encode()
    made = event("old")
    made.note = "as it was"
    write = Put(b"events.events.k8s.io/default/old", made.SerializeToString())
    request = blake2b(author, key=used, digest_size=16).digest()
    store = await EmbeddedDatastore.open(
        process.data_dir / "store", options=StoreOptions(keys=beside(process.data_dir))
    )
    try:
        outcome = await store.transact(Transaction((), (write,), author, request))
        assert isinstance(outcome, Committed)
    finally:
        await store.close()


def test_a_bind_is_repeated_to_the_scheduler_only(configs):
    async def scenario(speakers):
        made = await create(speakers["admin"], example(kinds.POD, "bound"))
        pod = pod_pb2.Pod.FromString(made.data)
        used = os.urandom(16)
        request = scheduling_pb2.BindPodRequest(
            namespace="default",
            name="bound",
            uid=pod.metadata.uid,
            node_name=NODE,
            request_id=used,
        )
        first = await speakers["scheduler"].ask(BIND, request)
        assert first.code is OK
        assert await speakers["scheduler"].ask(BIND, request) == first
        for who in (NODE, OTHER_NODE, "controllers", "ann"):
            assert (await speakers[who].ask(BIND, request)).code is DENIED
        request.node_name = OTHER_NODE
        assert (await speakers["scheduler"].ask(BIND, request)).code is INVALID

    speaking(configs, scenario)
