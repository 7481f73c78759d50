"""A stored value carries its own revision."""

from __future__ import annotations

from random import Random

import pytest

from podraft.api.kinds import BUILT_IN
from podraft.server.state.revisions import REVISION_MAX, revision_suffix, split_suffix

REVISIONS = [1, 9, 10, 99, 12345, 10**9, 2**32, 10**18, REVISION_MAX]
# No digit, and one digit more than the largest revision has.
TOO_MUCH = [b"\x0a\x04\x32\x02" + b"1:", b"\x0a\x16\x32\x14" + b"1" * 20]


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_kind_parses_its_stamped_bytes_with_that_revision(revision: int) -> None:
    for kind in BUILT_IN:
        sent = kind.message()
        sent.metadata.name = "name"
        sent.metadata.labels["k"] = "v"
        sent.metadata.resource_version = "another"
        parsed = kind.message.FromString(sent.SerializeToString() + revision_suffix(revision))
        sent.metadata.resource_version = str(revision)
        assert parsed == sent


def test_the_suffix_is_what_protobuf_writes() -> None:
    for revision in REVISIONS:
        message = next(iter(BUILT_IN)).message()
        message.metadata.resource_version = str(revision)
        assert revision_suffix(revision) == message.SerializeToString()


def test_the_suffix_is_read_back_behind_any_bytes() -> None:
    random = Random(7)
    for revision in REVISIONS:
        for value in (b"", b"12", b"\x02", revision_suffix(77), random.randbytes(50)):
            assert split_suffix(value + revision_suffix(revision)) == (value, revision)


@pytest.mark.parametrize(
    "value", [b"", b"abc", b"123", b"\x0a\x03\x32\x02" + b"1", b"1" * 30, *TOO_MUCH]
)
def test_values_without_a_suffix_are_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="suffix"):
        split_suffix(value)


@pytest.mark.parametrize("revision", [0, -1, REVISION_MAX + 1])
def test_impossible_revisions_are_refused(revision: int) -> None:
    with pytest.raises(ValueError, match="revision"):
        revision_suffix(revision)
