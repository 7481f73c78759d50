"""Whatever bytes come, and however a stream ends: the caller is told what is wrong with them.

Never INTERNAL and never UNKNOWN: those are for what is wrong with the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from local_cluster.server_process import ServerProcess
from podraft.api import kinds
from podraft.api.cluster.v1 import (
    backup_pb2,
    cluster_pb2,
    commit_pb2,
    diagnosis_pb2,
    history_pb2,
    member_pb2,
)
from podraft.api.kinds import BUILT_IN
from podraft.api.meta.v1 import requests_pb2
from podraft.client.connecting.config import ClusterConfig
from support.api_objects import example
from support.identities import NODE, Answer, Speaker, speaking

FILES = (
    *(kind.service_module for kind in BUILT_IN),
    backup_pb2,
    cluster_pb2,
    commit_pb2,
    diagnosis_pb2,
    history_pb2,
    member_pb2,
    health_pb2,
    reflection_pb2,
)
METHODS: list[MethodDescriptor] = [
    method
    for module in FILES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
JOIN = "JoinService"
OURS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
INVALID = grpc.StatusCode.INVALID_ARGUMENT

# No message at all: a tag that is cut off, one of no field, a length beyond the end, groups that
# never end, numbers of more than ten bytes, text that is no UTF-8.
MALFORMED = [
    b"\x0a",
    b"\x00",
    b"\xff" * 30,
    b"\x0a\xff\xff\xff\xff\x7f",
    b"\x0b" * 200,
    b"\x08" + b"\xff" * 11,
    b"\x0a\x02\xff\xfe",
    b"\x12\x02\xff\xfe",
    b"\x0a\x04\x0a\x02\xff\xfe",
]


def path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


class Strangers(Speaker):
    """Calls on the join port, which asks for no certificate."""

    def __init__(self, config: ClusterConfig, port: int) -> None:
        credentials = grpc.ssl_channel_credentials(config.certificate_authority)
        options = (("grpc.ssl_target_name_override", config.server_name),)
        self.channel = grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options)


async def send(speaker: Speaker, method: MethodDescriptor, *requests: bytes) -> Answer:
    answer = await speaker.stream(path(method), *requests, timeout_s=1.0)
    if answer.details == "Internal error from Core":
        # Our own side's words for a call that was answered before all had been sent.
        return Answer(grpc.StatusCode.CANCELLED)
    return answer


def inputs(seed: int) -> Iterator[bytes]:
    random = Random(seed)
    yield from MALFORMED
    for _ in range(10):
        yield random.randbytes(random.choice((1, 3, 40, 3_000)))


def check(method: MethodDescriptor, request: Any, answer: Answer) -> None:
    assert answer.code not in OURS, f"{path(method)} {request!r}: {answer}"


def check_log(server: ServerProcess) -> None:
    log = server.log()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:8_000]


def test_bytes_that_are_no_message_are_refused_as_such(server, configs):
    async def scenario(speakers):
        strangers = Strangers(configs["admin"], server.join_port)
        for who in ("admin", NODE):
            for method in METHODS:
                joins = method.containing_service.name == JOIN
                speaker = strangers if joins else speakers[who]
                for data in inputs(METHODS.index(method)):
                    answer = await send(speaker, method, data)
                    check(method, data, answer)
                    if data == b"\xff" * 30 and who == "admin":
                        says_nothing = not method.input_type.fields
                        assert says_nothing or answer.code is INVALID, f"{path(method)}: {answer}"
        await strangers.channel.close()

    speaking(configs, scenario)
    check_log(server)


def test_streams_that_end_early_or_never_begin_are_refused_as_such(server, configs):
    async def scenario(speakers):
        admin = speakers["admin"]
        strangers = Strangers(configs["admin"], server.join_port)
        for method in METHODS:
            speaker = strangers if method.containing_service.name == JOIN else admin
            check(method, "nothing", await send(speaker, method))
            check(method, "two", await send(speaker, method, b"", b""))
            # Left in the middle of it.
            left = asyncio.create_task(send(speaker, method, b""))
            await asyncio.sleep(0)
            left.cancel()
            await asyncio.gather(left, return_exceptions=True)
        await strangers.channel.close()
        answer = await admin.ask("/podraft.api.cluster.v1.ClusterService/GetVersion", b"")
        assert answer.code is grpc.StatusCode.OK

    speaking(configs, scenario)
    check_log(server)


EXTREMES: dict[int, tuple[Any, ...]] = {
    FieldDescriptor.CPPTYPE_INT32: (0, 1, -1, 2**31 - 1, -(2**31)),
    FieldDescriptor.CPPTYPE_INT64: (0, 1, -1, 2**63 - 1, -(2**63), 10**15),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: (0.0, float("inf"), float("nan"), -1e308),
    FieldDescriptor.CPPTYPE_FLOAT: (0.0, float("inf")),
    FieldDescriptor.CPPTYPE_BOOL: (True, False),
    FieldDescriptor.CPPTYPE_ENUM: (0, 1, 99, -1),
}
TEXTS = (
    "",
    "a",
    "default",
    "a/b",
    "../..",
    "\0",
    "\u202e",
    "٣",
    "1" * 19,
    "9" * 30,
    "-1",
    "1e9999999",
    "0x10",
    "x" * 600,
    "v1",
    "ConfigMap",
    "9999999999d",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+23:59",
    "{}",
    '{"metadata":{"creationTimestamp":"0001-01-01T00:00:00Z"}}',
)


def hostile(random: Random, descriptor: Descriptor, depth: int = 0) -> Any:
    """A message of extremes."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if random.random() < (0.3 if depth else 0.1) or depth > 6:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        if field.message_type is not None:
            inner = hostile(random, field.message_type, depth + 1)
            target = getattr(message, field.name)
            if field.is_repeated:
                target.append(inner)
            else:
                target.CopyFrom(inner)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            values = TEXTS if field.type == FieldDescriptor.TYPE_STRING else (b"", b"{}", b"\xff")
            _set(message, field, random.choice(values))
        else:
            _set(message, field, random.choice(EXTREMES[field.cpp_type]))
    return message


def _set(message: Any, field: FieldDescriptor, value: Any) -> None:
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


@pytest.mark.parametrize("seed", range(3))
def test_messages_of_extremes_are_answered_or_refused(server, configs, seed):
    print(f"seed {seed}")
    random = Random(seed)

    async def scenario(speakers):
        strangers = Strangers(configs["admin"], server.join_port)
        for method in METHODS:
            speaker = strangers if method.containing_service.name == JOIN else speakers["admin"]
            for _ in range(8):
                request = hostile(random, method.input_type)
                answer = await send(speaker, method, request.SerializeToString())
                check(method, request, answer)
        await strangers.channel.close()

    speaking(configs, scenario)
    check_log(server)


def test_objects_with_extremes_are_stored_or_refused(server, configs):
    """One field at a time, in an object that is valid otherwise."""
    random = Random(7)

    async def scenario(speakers):
        admin = speakers["admin"]
        for kind in BUILT_IN:
            for number in range(60):
                made = example(kind, f"extreme-{number}")
                parts = [each for each in _messages(made) if each.DESCRIPTOR.fields]
                part = random.choice(parts)
                part.MergeFrom(hostile(random, part.DESCRIPTOR, depth=5))
                made.metadata.name = f"extreme-{number}"
                request = kind.create_request(**{kind.field: made})
                for verb in ("Create", "Update", *(["UpdateStatus"] if kind.has_status else [])):
                    answer = await admin.ask(kind.method(verb), request)
                    assert answer.code not in OURS, f"{verb} {made}: {answer}"
                grace = random.choice(EXTREMES[FieldDescriptor.CPPTYPE_INT64])
                removal = requests_pb2.DeleteRequest(
                    name=made.metadata.name,
                    namespace=made.metadata.namespace,
                    options=requests_pb2.DeleteOptions(grace_period_seconds=grace),
                )
                answer = await admin.ask(kind.method("Delete"), removal)
                assert answer.code not in OURS, f"{removal}: {answer}"

    speaking(configs, scenario)
    check_log(server)


def _messages(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else (value,):
            yield from _messages(each)


@pytest.mark.parametrize("limit", [2**63 - 1, 2**31, 2**32, -1, -(2**63)])
def test_any_limit_is_taken_or_refused_as_negative(configs, limit):
    async def scenario(speakers):
        request = requests_pb2.ListRequest(namespace="default", limit=limit)
        for kind in BUILT_IN:
            if not kind.namespaced:
                continue
            answer = await speakers["admin"].ask(kind.method("List"), request)
            assert answer.code is (INVALID if limit < 0 else grpc.StatusCode.OK), answer

    speaking(configs, scenario)


def test_a_continuation_of_garbage_is_refused(configs):
    async def scenario(speakers):
        random = Random(3)
        for token in (
            "=",
            "AAAA",
            "é",
            "1:pods/",
            "MTpwb2Rz",
            "9" * 3000,
            random.randbytes(99).hex(),
        ):
            request = requests_pb2.ListRequest(namespace="default", continue_token=token)
            for who in ("admin", "controllers"):
                answer = await speakers[who].ask(kinds.POD.method("List"), request)
                assert answer.code is INVALID, answer

    speaking(configs, scenario)


def test_oversized_requests_and_metadata_are_refused_as_such(configs):
    async def scenario(speakers):
        admin = speakers["admin"]
        exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
        answer = await admin.ask(kinds.POD.method("Create"), bytes(9 * 1024 * 1024))
        assert answer.code is exhausted, answer
        call = admin.channel.unary_unary(kinds.POD.method("List"))
        for metadata in ((("key", "x" * 20_000),), tuple((f"k{n}", "x" * 90) for n in range(200))):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"", metadata=metadata, timeout=10)
            assert refused.value.code() is exhausted, refused.value

    speaking(configs, scenario)
