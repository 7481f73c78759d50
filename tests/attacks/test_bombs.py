"""Requests that are small on the wire, and large or slow once they are read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from podraft.api import kinds
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1.pod_pb2 import PodSpec
from podraft.api.meta.v1.meta_pb2 import ObjectMeta
from podraft.api.meta.v1.requests_pb2 import GetRequest
from support.asker import asking
from support.identities import NODE, Speaker, speaking

COMMIT = "/podraft.api.cluster.v1.CommitService/Commit"
BYTES = 8 * 1024 * 1024 - 1024
# A bomb of these bytes took 600 MiB and more, and held everybody up for seconds.
GROWTH_MIB_MAX = 300
WAIT_S_MAX = 2.0


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    head = b""
    while number > 0x7F:
        head, number = head + bytes([number & 0x7F | 0x80]), number >> 7
    return head + bytes([number])


def pod_of(spec: bytes = b"", metadata: bytes = b"") -> bytes:
    return field(1, metadata) + field(2, spec)


CONTAINERS = PodSpec.DESCRIPTOR.fields_by_name["containers"].number
ANNOTATIONS = ObjectMeta.DESCRIPTOR.fields_by_name["annotations"].number


def annotations_of(size: int) -> bytes:
    return b"".join(field(ANNOTATIONS, field(1, b"%x" % each)) for each in range(size // 10))


def commit_of(*pods: bytes) -> bytes:
    """Return a Commit with an id, of a node that may create none of these."""
    request = commit_pb2.CommitRequest()
    request.options.request_id = b"0" * 16
    for pod in pods:
        packed = request.writes.add().create.object
        packed.type_url, packed.value = "type.googleapis.com/podraft.api.core.v1.Pod", pod
    return request.SerializeToString()


def bombs() -> Iterator[tuple[str, bytes]]:
    yield COMMIT, b"\x0a\x00" * (BYTES // 2)
    empty = field(CONTAINERS, b"")
    yield kinds.POD.method("Create"), field(1, pod_of(spec=empty * (BYTES // len(empty) - 10)))
    yield kinds.POD.method("Create"), field(1, pod_of(metadata=annotations_of(BYTES)))
    yield COMMIT, commit_of(pod_of(spec=empty * (BYTES // len(empty) - 100)))
    each = pod_of(spec=empty * (240 * 1024 // len(empty)))
    yield COMMIT, commit_of(*([each] * (BYTES // len(each) - 1)))
    yield COMMIT, commit_of(*([pod_of(metadata=annotations_of(240 * 1024))] * 30))


def peak_mib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


@pytest.mark.parametrize("number", range(6))
def test_small_parts_cost_a_server_little(server, configs, number):
    method, request = list(bombs())[number]
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    before = peak_mib(server.process.pid)
    found = []

    async def scenario(speakers):
        found.append(await speakers[NODE].ask(method, request))

    with asking(server.config_path()) as slowest:
        speaking(configs, scenario)
    assert found[0].code in {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
    assert peak_mib(server.process.pid) - before < GROWTH_MIB_MAX
    assert slowest[0] < WAIT_S_MAX


def test_a_node_pays_for_the_bytes_of_its_questions(server, configs):
    """Whatever a request is for, its bytes come out of the caller's budget."""
    unknown = GetRequest(name="a").SerializeToString() + b"\xf8\x7f\x01" * 500_000

    async def ask(node: Speaker) -> grpc.StatusCode:
        return (await node.ask(kinds.NODE.method("Get"), unknown)).code

    async def scenario(speakers):
        codes = await asyncio.gather(*(ask(speakers[NODE]) for _ in range(24)))
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes

    speaking(configs, scenario)
