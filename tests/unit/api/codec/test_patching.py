"""Patches of stored objects: the same as on their JSON, and what is not named stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podraft.api import codec, kinds
from podraft.api.apps.v1 import deployment_pb2
from podraft.api.codec.merge_patches import create_merge_patch, merge_patch
from podraft.api.codec.patching import patched
from podraft.api.core.v1 import node_pb2
from podraft.api.violations import InvalidObjectError
from support.any_object import SETTINGS, damaged
from support.any_object import objects as any_objects


@SETTINGS
@given(
    st.sampled_from([*kinds.BUILT_IN]).flatmap(lambda k: st.tuples(any_objects(k), any_objects(k)))
)
def test_a_patch_makes_of_an_object_what_it_makes_of_its_json(pair: tuple[Any, Any]) -> None:
    stored, wanted = pair
    document = codec.to_json(stored)
    changes = create_merge_patch(document, codec.to_json(wanted))
    for patch in (changes, {key: changes[key] for key in list(changes)[:1]}):
        assert codec.to_json(patched(stored, patch)) == codec.to_json(
            codec.from_json(merge_patch(document, patch))
        )


@SETTINGS
@given(st.data())
def test_what_makes_no_sense_keeps_nobody_from_patching_the_rest(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([*kinds.BUILT_IN]))
    stored = data.draw(st.composite(damaged)(data.draw(any_objects(kind))))
    result = patched(stored, {"metadata": {"labels": {"a": "b"}}})
    assert result.metadata.labels["a"] == "b"
    stored.metadata.labels["a"] = "b"
    assert result == stored


def test_a_deployment_whose_template_makes_no_sense_can_be_scaled() -> None:
    stored = deployment_pb2.Deployment()
    container = stored.spec.template.spec.containers.add(name="c")
    container.resources.limits["memory"].string = "much"
    result = patched(stored, {"spec": {"replicas": 3}})
    assert result.spec.replicas == 3
    assert result.spec.template == stored.spec.template


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"spec": {"podCIDR": {}}}, "spec.podCIDR"),
        ({"spec": 7}, "spec"),
        ({"status": {"capacity": {"cpu": "much"}}}, "status.capacity[cpu]"),
        ({"status": {"capacity": {"cpu": "1"}}}, "status.capacity[memory]"),
    ],
)
def test_what_a_patch_names_must_make_sense(patch: dict[str, Any], field: str) -> None:
    stored = node_pb2.Node()
    stored.spec.pod_cidr = "10.0.0.0/24"
    stored.status.capacity["memory"].string = "much"
    with pytest.raises(InvalidObjectError) as refused:
        patched(stored, patch)
    assert field in [violation.field for violation in refused.value.violations]
