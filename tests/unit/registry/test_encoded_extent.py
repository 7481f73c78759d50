"""The walk over an encoding sees what a parser would build, and no more than it may look at."""

from __future__ import annotations

import pytest

from podraft.api import kinds
from podraft.api.cluster.v1.commit_pb2 import CommitRequest
from podraft.api.kinds import AnyKind
from podraft.server.registry.encoded_extent import has_too_many_fields
from support.api_objects import example


def fields_of(encoded: bytes, kind: AnyKind) -> int:
    """Return how many fields the walk counts."""
    return next(
        count
        for count in range(100_000)
        if not has_too_many_fields(encoded, kind.message, count, walked=0)
    )


def test_every_part_counts():
    pod = kinds.POD.message()
    pod.metadata.name = "a"
    pod.metadata.labels["app"] = "web"
    pod.spec.containers.add(name="a").ports.add(container_port=300)
    # metadata, name, labels, key, value; spec, containers, name, ports, container_port
    assert fields_of(pod.SerializeToString(), kinds.POD) == 10


@pytest.mark.parametrize("unknown", [b"\xf8\x7f\x01", b"\xfa\x7f\x00", b"\xfd\x7fabcd"])
def test_what_is_unknown_counts(unknown: bytes):
    assert fields_of(unknown * 9, kinds.POD) == 9


def test_empty_messages_count():
    assert has_too_many_fields(b"\x0a\x00" * 1_000, CommitRequest, 999, walked=0)
    assert not has_too_many_fields(b"\x0a\x00" * 1_000, CommitRequest, 1_000, walked=0)


@pytest.mark.parametrize("kind", kinds.BUILT_IN, ids=lambda kind: kind.resource)
def test_cut_off_and_damaged_data_ends_the_walk(kind: AnyKind):
    encoded = example(kind, "a").SerializeToString()
    for end in range(0, len(encoded), 7):
        assert not has_too_many_fields(encoded[:end], kind.message, walked=0)
        damaged = encoded[:end] + b"\xff" + encoded[end + 1 :]
        assert not has_too_many_fields(damaged, kind.message, walked=0)
