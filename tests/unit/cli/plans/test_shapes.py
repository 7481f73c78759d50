"""Which kinds commands such as scale, set image and logs fit."""

from __future__ import annotations

from podraft.api import kinds
from podraft.cli.plans import shapes


def test_what_has_replicas_can_be_scaled() -> None:
    found = shapes.kinds_with(shapes.has_replicas)

    assert {kinds.DEPLOYMENT, kinds.REPLICA_SET} <= set(found)
    assert not {kinds.POD, kinds.SERVICE, kinds.CONFIG_MAP} & set(found)


def test_what_has_a_pod_template_has_images() -> None:
    found = shapes.kinds_with(shapes.has_template)

    assert {kinds.DEPLOYMENT, kinds.REPLICA_SET} <= set(found)
    assert not {kinds.POD, kinds.NODE, kinds.SECRET} & set(found)


def test_what_selects_pods_of_its_own_has_logs() -> None:
    found = shapes.kinds_with(shapes.selects_pods)

    # A service selects pods, but they are not its own.
    assert kinds.DEPLOYMENT in found and kinds.SERVICE not in found


def test_the_kinds_are_told_by_name() -> None:
    names = [kind.name for kind in shapes.kinds_with(shapes.has_template)]

    assert names == sorted(names)
