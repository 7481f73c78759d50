"""One object is bounded in bytes: as it is asked for, and as it is stored."""

from __future__ import annotations

import pytest

from podraft.api import kinds
from podraft.api.core.v1 import config_pb2
from podraft.api.limits import OBJECT_BYTES_MAX
from podraft.api.violations import InvalidObjectError
from podraft.server.registry.writes.entries import Entry
from podraft.server.registry.writes.extent import check_extent


def config_map(size: int) -> config_pb2.ConfigMap:
    """Return an object whose encoding has ``size`` bytes."""
    made = config_pb2.ConfigMap(binary_data={"k": bytes(size)})
    made.binary_data["k"] = bytes(size - (made.ByteSize() - size))
    assert made.ByteSize() == size
    return made


def test_what_is_asked_for_is_bounded() -> None:
    assert check_extent(config_map(OBJECT_BYTES_MAX)) == OBJECT_BYTES_MAX
    with pytest.raises(InvalidObjectError, match="1,572,865 bytes: expected at most 1,572,864"):
        check_extent(config_map(OBJECT_BYTES_MAX + 1))


def test_what_defaults_and_patches_make_of_it_is_bounded_and_changes_nothing() -> None:
    entry = Entry(kinds.CONFIG_MAP, b"configmaps/a/b", None, None)
    entry.put(config_map(OBJECT_BYTES_MAX))
    with pytest.raises(InvalidObjectError, match="1,572,865 bytes"):
        entry.put(config_map(OBJECT_BYTES_MAX + 1))
    assert (entry.message.ByteSize(), len(entry.value)) == (OBJECT_BYTES_MAX,) * 2
