"""A refusal tells nothing to who may not call: neither what exists, nor what a guess is worth.

Each call on an object is made for one that is there and one that is not, with uid, revision and
contents guessed right and wrong: if it is denied once, it is denied in the same words always.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from podraft.api import kinds
from podraft.api.cluster.v1 import commit_pb2, history_pb2
from podraft.api.core.v1 import pod_streams_pb2, scheduling_pb2
from podraft.api.kinds import BUILT_IN, AnyKind
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls import writes
from support.api_objects import example
from support.identities import NODE, OTHER_NODE, Answer, Speaker, speaking

OK = grpc.StatusCode.OK
DENIED = grpc.StatusCode.PERMISSION_DENIED
COMMIT = "/podraft.api.cluster.v1.CommitService/Commit"
HISTORY = "/podraft.api.cluster.v1.HistoryService/"
PODS = f"/{kinds.POD.service}/"
# As long as each other: a message's length tells nothing either.
THERE, ABSENT = "is-there", "is-gone0"
SECRET_DATA = b"the value that is guessed"


def stored(kind: AnyKind) -> Any:
    made = example(kind, THERE)
    if kind is kinds.SECRET:
        made.data["password"] = SECRET_DATA
        made.immutable = True
    if kind is kinds.CONFIG_MAP:
        made.immutable = True
    if kind is kinds.POD:
        made.spec.node_name = "elsewhere"
    return made


def guesses(kind: AnyKind, there: Any) -> Iterator[Any]:
    """The object as somebody who guesses would send it."""
    uid, revision = there.metadata.uid, there.metadata.resource_version
    expected = [("", "", True), ("", "", False), (uid, "", True), ("0" * 36, "", True)]
    expected += [("", revision, True), ("", "1", True)]
    for name, (uid, revision, same) in itertools.product((THERE, ABSENT), expected):
        made = stored(kind)
        made.metadata.name = name
        made.metadata.uid, made.metadata.resource_version = uid, revision
        if not same:
            made.metadata.labels["other"] = "yes"
            if kind is kinds.SECRET:
                made.data["password"] = b"another value, as long as"
        yield made


def calls(kind: AnyKind, there: Any) -> Iterator[tuple[str, str, Any]]:
    """What each call does, its method, and its request, for all guesses."""
    for made in guesses(kind, there):
        metadata = made.metadata
        name, namespace = metadata.name, metadata.namespace
        place = {"name": name, "namespace": namespace}
        expected = {"uid": metadata.uid, "resource_version": metadata.resource_version}
        preconditions = requests_pb2.Preconditions(**expected)
        for dry_run in (False, True):
            options = requests_pb2.WriteOptions(dry_run=dry_run)
            body = {kind.field: made, "options": options}
            yield "create", kind.method("Create"), kind.create_request(**body)
            yield "update", kind.method("Update"), kind.update_request(**body)
            if kind.has_status:
                yield "status", kind.method("UpdateStatus"), kind.update_request(**body)
            for patch in (b'{"data": {"password": "AAAA"}}', b"{", b'{"a": {}}'):
                patched = requests_pb2.PatchRequest(
                    **place, merge_patch=patch, preconditions=preconditions, options=options
                )
                yield "patch", kind.method("Patch"), patched
            deletion = requests_pb2.DeleteOptions(preconditions=preconditions, dry_run=dry_run)
            removed = requests_pb2.DeleteRequest(**place, options=deletion)
            yield "delete", kind.method("Delete"), removed
            for verb, write in {
                "create": writes.create(made),
                "update": writes.update(made),
                "patch": writes.patch(kind, name, b"{}", namespace, **expected),
                "delete": writes.delete(kind, name, namespace, **expected),
            }.items():
                committed = commit_pb2.CommitRequest(writes=[write], options=options)
                yield f"commit {verb}", COMMIT, committed
        for at in ("", "1", "1h", "nonsense"):
            get = requests_pb2.GetRequest(**place, at=at)
            yield f"get at {at}", kind.method("Get"), get
            get = requests_pb2.GetRequest(**place, at=at, hash_secret_values=True)
            yield f"hashed at {at}", kind.method("Get"), get
            if kind is kinds.POD:
                yield f"record at {at}", PODS + "GetPodSchedulingRecord", get
        listed = requests_pb2.ListRequest(
            namespace=namespace, field_selector=f"metadata.name={name}", limit=1
        )
        yield "list", kind.method("List"), listed
        history = history_pb2.GetObjectHistoryRequest(
            api_version=kind.api_version, kind=kind.name, **place
        )
        yield "history", HISTORY + "GetObjectHistory", history
        if kind is kinds.POD:
            bind = scheduling_pb2.BindPodRequest(**place, uid=metadata.uid, node_name=NODE)
            yield "bind", PODS + "BindPod", bind


def streams(kind: AnyKind, there: Any) -> Iterator[tuple[str, str, Any]]:
    for name in (THERE, ABSENT):
        place = {"name": name, "namespace": there.metadata.namespace}
        for revision in ("", "9" * 18, "x"):
            request = requests_pb2.WatchRequest(
                namespace=place["namespace"],
                field_selector=f"metadata.name={name}",
                resource_version=revision,
            )
            yield "watch", kind.method("Watch"), request
        if kind is kinds.POD:
            for container in ("", "main", "other"):
                where = {**place, "container": container}
                logs = pod_streams_pb2.StreamPodLogsRequest(**where)
                yield "logs", PODS + "StreamPodLogs", logs
                start = pod_streams_pb2.ExecStart(**where, command=["true"])
                yield "exec", PODS + "ExecPod", pod_streams_pb2.ExecPodRequest(start=start)


def told(answer: Answer) -> tuple[grpc.StatusCode, str, bytes, bytes]:
    return answer.code, answer.details.replace(ABSENT, THERE), answer.data, answer.trailers


async def put(admin: Speaker, kind: AnyKind) -> Any:
    request = kind.create_request(**{kind.field: stored(kind)})
    answer = await admin.ask(kind.method("Create"), request)
    assert answer.code is OK, answer
    return kind.message.FromString(answer.data)


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.resource)
def test_a_denied_call_is_denied_alike_whatever_is_stored(configs, kind):
    async def scenario(speakers):
        there = await put(speakers["admin"], kind)
        unary, streaming = list(calls(kind, there)), list(streams(kind, there))
        denied = set()
        for who in (OTHER_NODE, "scheduler", "ann"):
            answers: dict[str, set[Any]] = {}
            for what, method, request in unary:
                answer = await speakers[who].ask(method, request)
                answers.setdefault(what, set()).add(told(answer))
            for what, method, request in streaming:
                answer = await speakers[who].stream(method, request)
                answers.setdefault(what, set()).add(told(answer))
            for what, found in answers.items():
                if any(code is DENIED for code, *_ in found):
                    denied.add((who, what))
                    assert len(found) == 1, f"{who}: {what} {kind.resource}: {found}"
        # Who has no rights is denied everything.
        assert {what for who, what in denied if who == "ann"} == set(answers)

    speaking(configs, scenario)


def test_the_table_holds_every_call_that_names_an_object():
    there = stored(kinds.POD)
    methods = {method for _, method, _ in (*calls(kinds.POD, there), *streams(kinds.POD, there))}
    of_pods = kinds.POD.service_module.DESCRIPTOR.services_by_name["PodService"].methods
    assert methods == {PODS + method.name for method in of_pods} | {
        COMMIT,
        HISTORY + "GetObjectHistory",
    }


def test_a_token_of_another_list_opens_no_past(configs):
    """Continuation tokens hold a revision: made up or borrowed, they would be time travel."""

    async def scenario(speakers):
        admin, node = speakers["admin"], speakers[OTHER_NODE]
        method = kinds.SERVICE.method("List")
        for name in ("page-a", "page-b", "page-c"):
            made = example(kinds.SERVICE, name)
            assert (
                await admin.ask(
                    kinds.SERVICE.method("Create"), kinds.SERVICE.create_request(service=made)
                )
            ).code is OK

        async def listed(speaker: Speaker, token: str, **more: Any) -> Answer:
            request = requests_pb2.ListRequest(
                namespace="default", limit=1, continue_token=token, **more
            )
            return await speaker.ask(method, request)

        async def token_of(speaker: Speaker, **more: str) -> str:
            answer = await listed(speaker, "", **more)
            page: Any = kinds.SERVICE.list_message.FromString(answer.data)
            return str(page.metadata.continue_token)

        own = await token_of(node)
        assert (await listed(node, own)).code is OK
        forged = "MTpzZXJ2aWNlcy9kZWZhdWx0L2E"  # "1:services/default/a"
        selected = {"label_selector": "app!=x"}
        for token, more in (
            (await token_of(admin), {}),
            (await token_of(node, **selected), {}),
            (own, selected),
            (forged, {}),
            (own[:-2], {}),
        ):
            answer = await listed(node, token, **more)
            assert answer.code is grpc.StatusCode.INVALID_ARGUMENT, answer

    speaking(configs, scenario)
