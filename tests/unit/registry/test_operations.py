"""A write means something only for a kind that is known, and if its objects are written so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podraft.api import kinds
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.kinds import KnownKinds
from podraft.client import writes
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.writes.operations import of_write
from support.api_objects import example

CONFIG = example(kinds.CONFIG_MAP, "settings")
WRITES: dict[str, commit_pb2.Write] = {
    "create": writes.create(CONFIG),
    "update": writes.update(CONFIG),
    "patch": writes.patch(kinds.CONFIG_MAP, "settings", {"data": {"a": "b"}}, "default"),
    "apply": writes.apply(CONFIG),
    "delete": writes.delete(kinds.CONFIG_MAP, "settings", "default"),
}


@pytest.mark.parametrize("verb", WRITES)
def test_a_verb_that_a_kind_lacks_is_refused(verb: str) -> None:
    # Applying needs that objects of the kind can be patched.
    lacked = "patch" if verb == "apply" else verb
    lacking: Any = replace(
        kinds.CONFIG_MAP, verbs=tuple(v for v in kinds.CONFIG_MAP.verbs if v != lacked)
    )
    for other, write in WRITES.items():
        if other != verb and {other, verb} != {"apply", "patch"}:
            assert of_write(write, KnownKinds((lacking,))) is not None
            continue
        with pytest.raises(RefusedError, match=f"configmaps know no {other}") as caught:
            of_write(write, KnownKinds((lacking,)))
        assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("verb", WRITES)
def test_a_kind_that_has_gone_is_no_stored_kind(verb: str) -> None:
    registry = kinds.Registry(kinds.BUILT_IN)
    of_write(WRITES[verb], registry)
    registry.remove(kinds.CONFIG_MAP)
    with pytest.raises(RefusedError, match="no stored kind"):
        of_write(WRITES[verb], registry)
