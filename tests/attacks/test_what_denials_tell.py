"""A refusal tells nothing to who may not call: neither what exists, nor what a guess is worth.

Each call on an object is made for one that is there and one that is not, with uid, revision and
contents guessed right and wrong: if it is denied once, it is denied in the same words always.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import grpc
import pytest

from podraft.api import kinds
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import requests_pb2
from support import object_calls
from support.api_objects import example, name_of
from support.identities import OTHER_NODE, Answer, Speaker, speaking
from support.object_calls import COMMIT, HISTORY, KINDS, TABLE, Aim

OK = grpc.StatusCode.OK
DENIED = grpc.StatusCode.PERMISSION_DENIED
# As long as each other: a message's length tells nothing either.
THERE, ABSENT = "is-there", "is-gone0"
SECRET_DATA = b"the value that is guessed"
AT_ONCE = 16


class Call(NamedTuple):
    """What a call does, and how it is made."""

    what: str
    path: str
    request: bytes
    streams: bool = False


def stored(kind: AnyKind, name: str = THERE) -> Any:
    made = object_calls.example_of(kind, name)
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
    unknown = [("", "", True), ("0" * 36, "", True), ("", "1", True)]
    right = [("", "", False), (uid, "", True), ("", revision, True)]
    tried = [(THERE, guess) for guess in (*unknown, *right)]
    # Of what is not there, no guess is right.
    tried += [(ABSENT, guess) for guess in unknown]
    for name, (uid, revision, same) in tried:
        made = stored(kind, name)
        made.metadata.uid, made.metadata.resource_version = uid, revision
        if not same:
            made.metadata.labels["other"] = "yes"
            if kind is kinds.SECRET:
                made.data["password"] = b"another value, as long as"
        yield made


def calls(kind: AnyKind, there: Any) -> Iterator[Call]:
    """Every call, for all guesses."""
    methods = tuple(object_calls.methods_of(kind))
    for made, dry_run in itertools.product(guesses(kind, there), (False, True)):
        aim = Aim(kind, made, dry_run)
        for method in methods:
            for way, request in object_calls.requests(method, aim):
                what = f"{method.name} {way}"
                yield Call(what, method.path, request.SerializeToString(), method.streams)
        if kind not in kinds.BUILT_IN:
            continue  # A view's objects are committed, tabled and remembered in their stored form.
        for verb, write in object_calls.writes_of(aim).items():
            committed = object_calls.commit(aim, write).SerializeToString()
            yield Call(f"commit {verb}", COMMIT, committed)
        yield Call("history", HISTORY, object_calls.history(aim).SerializeToString())
        yield Call("table", TABLE, object_calls.table(aim).SerializeToString())


def told(answer: Answer) -> tuple[grpc.StatusCode, str, bytes, bytes]:
    return answer.code, answer.details.replace(ABSENT, THERE), answer.data, answer.trailers


async def answers(speaker: Speaker, made: tuple[Call, ...]) -> dict[str, set[Any]]:
    """Return all that a speaker is told, by what the calls do."""
    found = defaultdict(set)

    async def ask(call: Call) -> None:
        how = speaker.stream if call.streams else speaker.ask
        found[call.what].add(told(await how(call.path, call.request)))

    for first in range(0, len(made), AT_ONCE):
        await asyncio.gather(*map(ask, made[first : first + AT_ONCE]))
    return found


async def put(admin: Speaker, kind: AnyKind) -> Any:
    request: Any = kind.create_request(**{kind.field: stored(kind)})
    answer = await admin.ask(kind.method("Create"), request)
    if answer.code is grpc.StatusCode.ALREADY_EXISTS:  # In the form of another version.
        answer = await admin.ask(kind.method("Get"), place_of(kind))
    assert answer.code is OK, answer
    return kind.message.FromString(answer.data)


def place_of(kind: AnyKind) -> requests_pb2.GetRequest:
    namespace = "default" if kind.namespaced else ""
    return requests_pb2.GetRequest(namespace=namespace, name=name_of(kind, THERE))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.message_name)
def test_a_denied_call_is_denied_alike_whatever_is_stored(configs, kind):
    async def scenario(speakers):
        there = await put(speakers["admin"], kind)
        made = tuple(dict.fromkeys(calls(kind, there)))
        for who in (OTHER_NODE, "scheduler", "ann"):
            for what, found in (await answers(speakers[who], made)).items():
                denied = any(code is DENIED for code, *_ in found)
                assert not denied or len(found) == 1, f"{who}: {what} {kind.resource}: {found}"
                assert denied or who != "ann", f"who has no rights calls {what}: {found}"
                assert all(code is not grpc.StatusCode.INTERNAL for code, *_ in found), found

    speaking(configs, scenario)


# What the services besides those of kinds do instead of naming an object.
ABOUT_NO_OBJECT = {
    "BackupService": "everything is copied, by administrators",
    "ClusterService": "versions, tokens and certificates",
    "DiagnosisService": "the servers' own state",
    "JoinService": "served elsewhere, to who holds a token",
    "MemberService": "servers",
    "UserService": "users' certificates",
    "HistoryService": "ResolveRevision and GetRevision name revisions",
}


def test_the_table_holds_every_service_of_the_api():
    reviews = {kind.service for kind in kinds.BUILT_IN.answered()}
    about_objects = {kind.service for kind in KINDS}
    about_objects |= {path.split("/")[1] for path in (COMMIT, HISTORY, TABLE)}
    services = {service.full_name: service.name for service in object_calls.every_service()}
    missing = services.keys() - about_objects - reviews
    assert {services[name] for name in missing} <= ABOUT_NO_OBJECT.keys()
    assert about_objects <= services.keys()


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
