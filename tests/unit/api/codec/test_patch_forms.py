"""Strategic merge patches and JSON patches: what they make of an object, and what they refuse."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given

from podraft.api import codec
from podraft.api.codec.json_patches import COPIED_MAX, OPERATIONS_MAX, json_patch
from podraft.api.codec.strategic_patches import strategic_merge_patch
from podraft.api.core.v1 import pod_pb2
from podraft.api.violations import InvalidObjectError
from support.any_object import SETTINGS
from support.any_object import objects as any_objects

POD: Any = pod_pb2.Pod.DESCRIPTOR
A = {"name": "a", "image": "a:1"}
B = {"name": "b", "image": "b:1"}
C = {"name": "c", "image": "c:1"}
MAP_VOLUME = {"name": "v", "configMap": {"name": "m"}}
PORT = {"containerPort": 80, "protocol": "TCP"}
VOLUME = {"name": "v", "emptyDir": {"medium": "Memory"}}


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": spec}


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        # Elements are found by their key; what is new comes last, what is null goes.
        ({"containers": [A, B]}, {"containers": [{"name": "b", "image": "b:2"}]},
         {"containers": [A, {"name": "b", "image": "b:2"}]}),
        ({"containers": [A]}, {"containers": [B]}, {"containers": [A, B]}),
        ({"containers": [A]}, {"containers": [{"name": "a", "image": None}]},
         {"containers": [{"name": "a"}]}),
        ({"containers": [A]}, {"containers": None}, {}),
        # A list without a key is one value.
        ({"containers": [{**A, "args": ["x", "y"]}]},
         {"containers": [{"name": "a", "args": ["z"]}]},
         {"containers": [{**A, "args": ["z"]}]}),
        # Directives.
        ({"containers": [A, B]}, {"containers": [{"name": "a", "$patch": "delete"}]},
         {"containers": [B]}),
        ({"containers": [A, B]}, {"containers": [{"$patch": "replace"}, C]}, {"containers": [C]}),
        ({"containers": [{**A, "tty": True}]},
         {"containers": [{"name": "a", "image": "a:2", "$patch": "replace"}]},
         {"containers": [{"name": "a", "image": "a:2"}]}),
        ({"securityContext": {"runAsUser": 1}}, {"securityContext": {"$patch": "delete"}},
         {"securityContext": {}}),
        ({"securityContext": {"runAsUser": 1}},
         {"securityContext": {"$patch": "replace", "fsGroup": 2}},
         {"securityContext": {"fsGroup": 2}}),
        ({"volumes": [VOLUME]},
         {"volumes": [{**MAP_VOLUME, "$retainKeys": ["name", "configMap"]}]},
         {"volumes": [MAP_VOLUME]}),
        ({"volumes": [VOLUME]}, {"volumes": [{"name": "v", "configMap": {"name": "m"}}]},
         {"volumes": [{"name": "v", "configMap": {"name": "m"}}]}),
        ({"containers": [A, B, C]},
         {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
          "containers": [{"name": "a", "image": "a:2"}]},
         {"containers": [B, C, {"name": "a", "image": "a:2"}]}),
        # Ports are found by their number, whatever their protocol.
        ({"containers": [{**A, "ports": [PORT]}]},
         {"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "http"}]}]},
         {"containers": [{**A, "ports": [{**PORT, "name": "http"}]}]}),
    ],
)  # fmt: skip
def test_a_strategic_merge_patch_merges_lists_by_key(
    before: dict[str, Any], patch: dict[str, Any], after: dict[str, Any]
) -> None:
    target = pod(**before)
    kept = copy.deepcopy(target)
    assert strategic_merge_patch(target, {"spec": patch}, POD) == pod(**after)
    assert target == kept


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        (["a", "b"], {"finalizers": ["c", "a"]}, ["a", "b", "c"]),
        (["a", "b"], {"$deleteFromPrimitiveList/finalizers": ["a"]}, ["b"]),
        (["a", "b"], {"$setElementOrder/finalizers": ["b", "a"]}, ["b", "a"]),
        (["a"], {"finalizers": ["b"], "$deleteFromPrimitiveList/finalizers": ["a"]}, ["b"]),
    ],
)
def test_a_strategic_merge_patch_merges_lists_of_values(
    before: list[str], patch: dict[str, Any], after: list[str]
) -> None:
    target = {"metadata": {"finalizers": before}}
    patched = strategic_merge_patch(target, {"metadata": patch}, POD)
    assert patched["metadata"]["finalizers"] == after


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"spec": {"$patch": "x"}}, "spec.$patch"),
        ({"spec": {"$patch": ["replace"]}}, "spec.$patch"),
        ({"spec": {"$other": 1}}, "spec.$other"),
        ({"spec": {"$retainKeys": "name"}}, "spec.$retainKeys"),
        ({"spec": {"$retainKeys": ["a"], "b": 1}}, "spec.b"),
        ({"spec": {"containers": [{"image": "x"}]}}, "spec.containers[0].name"),
        ({"spec": {"containers": [{"name": {}}]}}, "spec.containers[0].name"),
        ({"spec": {"containers": ["x"]}}, "spec.containers[0]"),
        ({"spec": {"containers": [{"$patch": "delete"}]}}, "spec.containers[0].name"),
        ({"metadata": {"finalizers": [{}]}}, "metadata.finalizers[0]"),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": 1}},
         "metadata.$deleteFromPrimitiveList/finalizers"),
        ({"metadata": {"$setElementOrder/finalizers": {}}}, "metadata.$setElementOrder/finalizers"),
        ({"spec": {"tolerations": [{"$patch": "delete"}]}}, "spec.tolerations[0].$patch"),
    ],
)  # fmt: skip
def test_a_malformed_strategic_merge_patch_names_its_fault(
    patch: dict[str, Any], field: str
) -> None:
    target = pod(containers=[A])
    with pytest.raises(InvalidObjectError) as refused:
        strategic_merge_patch(target, patch, POD)
    assert [violation.field for violation in refused.value.violations] == [field]


def test_a_strategic_merge_patch_is_not_nested_deeper_than_any_object() -> None:
    patch: dict[str, Any] = {}
    for _ in range(200):
        patch = {"a": patch}
    with pytest.raises(InvalidObjectError, match="deeper"):
        strategic_merge_patch({}, patch, POD)


@SETTINGS
@given(any_objects())
def test_an_objects_own_json_patches_it_strategically_to_itself(obj: Any) -> None:
    document = codec.to_json(obj)
    try:
        patched = strategic_merge_patch(document, document, obj.DESCRIPTOR)
    except InvalidObjectError:
        return  # An element without its key cannot be meant.
    assert set(patched) == set(document)


@pytest.mark.parametrize(
    ("operations", "after"),
    [
        ([{"op": "add", "path": "/b", "value": 2}], {"a": [1, 2], "b": 2}),
        ([{"op": "add", "path": "/a/1", "value": 9}], {"a": [1, 9, 2]}),
        ([{"op": "add", "path": "/a/-", "value": 9}], {"a": [1, 2, 9]}),
        ([{"op": "add", "path": "/a/2", "value": 9}], {"a": [1, 2, 9]}),
        ([{"op": "add", "path": "", "value": {"x": 1}}], {"x": 1}),
        ([{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ([{"op": "replace", "path": "/a", "value": None}], {"a": None}),
        ([{"op": "move", "from": "/a/0", "path": "/b"}], {"a": [2], "b": 1}),
        ([{"op": "move", "from": "/a", "path": "/a"}], {"a": [1, 2]}),
        ([{"op": "copy", "from": "/a", "path": "/b"}, {"op": "remove", "path": "/a/0"}],
         {"a": [2], "b": [1, 2]}),
        ([{"op": "test", "path": "/a", "value": [1, 2]}], {"a": [1, 2]}),
        ([{"op": "add", "path": "/x~1y~0z", "value": 1}], {"a": [1, 2], "x/y~z": 1}),
        ([{"op": "add", "path": "/", "value": 1}], {"a": [1, 2], "": 1}),
    ],
)  # fmt: skip
def test_a_json_patch_carries_out_its_operations(operations: Any, after: dict[str, Any]) -> None:
    document: dict[str, Any] = {"a": [1, 2]}
    assert json_patch(document, operations) == after
    assert document == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("operations", "field"),
    [
        ({}, "jsonPatch"),
        (["x"], "jsonPatch[0]"),
        ([{}], "jsonPatch[0].op"),
        ([{"op": "put", "path": "/a"}], "jsonPatch[0].op"),
        ([{"op": ["add"], "path": "/a"}], "jsonPatch[0].op"),
        ([{"op": "add", "value": 1}], "jsonPatch[0].path"),
        ([{"op": "add", "path": "a", "value": 1}], "jsonPatch[0].path"),
        ([{"op": "add", "path": "/a~2", "value": 1}], "jsonPatch[0].path"),
        ([{"op": "add", "path": "/b/c", "value": 1}], "jsonPatch[0].path"),
        ([{"op": "add", "path": "/a/3", "value": 1}], "jsonPatch[0].path"),
        ([{"op": "add", "path": "/a/01", "value": 1}], "jsonPatch[0].path"),
        ([{"op": "add", "path": "/a/0/x", "value": 1}], "jsonPatch[0].path"),
        ([{"op": "add", "path": "/b"}], "jsonPatch[0].value"),
        ([{"op": "remove", "path": "/a/-"}], "jsonPatch[0].path"),
        ([{"op": "remove", "path": "/b"}], "jsonPatch[0].path"),
        ([{"op": "remove", "path": ""}], "jsonPatch[0].path"),
        ([{"op": "replace", "path": "/a/2", "value": 1}], "jsonPatch[0].path"),
        ([{"op": "move", "from": "/b", "path": "/c"}], "jsonPatch[0].from"),
        ([{"op": "move", "from": "/a", "path": "/a/0"}], "jsonPatch[0].path"),
        ([{"op": "test", "path": "/a/0", "value": True}], "jsonPatch[0].value"),
        ([{"op": "test", "path": "/a", "value": [1, 2]}, {"op": "test", "path": "/a", "value": 1}],
         "jsonPatch[1].value"),
        ([{"op": "replace", "path": "", "value": []}], "jsonPatch"),
        ([{"op": "remove", "path": "/a/0"}] * (OPERATIONS_MAX + 1), "jsonPatch"),
    ],
)  # fmt: skip
def test_an_impossible_json_patch_names_its_operation(operations: Any, field: str) -> None:
    document = {"a": [1, 2]}
    with pytest.raises(InvalidObjectError) as refused:
        json_patch(document, operations)
    assert [violation.field for violation in refused.value.violations] == [field]
    assert document == {"a": [1, 2]}


def test_operations_that_double_a_value_end_before_it_is_large() -> None:
    grow = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 64
    started = time.process_time()
    with pytest.raises(InvalidObjectError, match=str(COPIED_MAX)):
        json_patch({"a": ["x" * 1000]}, grow)
    text = [{"op": "copy", "from": "/a", "path": f"/b{n}"} for n in range(5000)]
    with pytest.raises(InvalidObjectError, match=str(COPIED_MAX)):
        json_patch({"a": "x" * 100_000}, text)
    assert time.process_time() - started < 5
