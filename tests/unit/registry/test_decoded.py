"""Decoded objects: right whatever was dropped, and bounded in sum over all kinds."""

from __future__ import annotations

import random

from podraft.api import kinds
from podraft.server.registry.cache.decoded import DecodedBytes
from support.api_objects import example

BYTES_MAX = 4000


def test_all_kinds_share_a_bound_and_answers_are_of_the_revision_asked_for() -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    shared = DecodedBytes(BYTES_MAX)
    objects = {kind: shared.share(kind) for kind in (kinds.POD, kinds.NODE, kinds.CONFIG_MAP)}
    for _ in range(2000):
        kind, name = chance.choice(list(objects)), f"o{chance.randrange(30)}"
        revision = chance.randrange(1, 5)
        value = example(kind, name, labels={"at": "x" * revision}).SerializeToString()
        if chance.random() < 0.1:
            objects[kind].forget(name.encode())
        found = objects[kind].get(name.encode(), revision, value)
        assert found.SerializeToString() == value
        assert sum(each.size for each in objects.values()) <= BYTES_MAX


def test_a_kind_that_has_most_gives_way_and_others_keep_theirs() -> None:
    shared = DecodedBytes(BYTES_MAX)
    nodes, pods = shared.share(kinds.NODE), shared.share(kinds.POD)
    node = example(kinds.NODE, "a").SerializeToString()
    kept = nodes.get(b"nodes/a", 1, node)
    for number in range(200):
        pods.get(b"%d" % number, 1, example(kinds.POD, f"p{number}").SerializeToString())
    assert nodes.get(b"nodes/a", 1, node) is kept


def test_an_old_revision_does_not_push_out_the_newer_one() -> None:
    nodes = DecodedBytes(BYTES_MAX).share(kinds.NODE)
    new, old = (example(kinds.NODE, name).SerializeToString() for name in ("new", "old"))
    newest = nodes.get(b"nodes/a", 2, new)
    assert nodes.get(b"nodes/a", 1, old).metadata.name == "old"
    assert nodes.get(b"nodes/a", 2, new) is newest
