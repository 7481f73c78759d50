"""Messages whose JSON is a value of another form: any JSON, a list, or one of several types."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass

from podraft.api import codec
from podraft.api.codec.forms import raw_faults
from podraft.api.codec.write import write
from podraft.api.meta.v1 import options_pb2  # noqa: F401 - the pool must know it
from podraft.api.runtime.v1 import raw_extension_pb2  # noqa: F401 - as above
from podraft.api.violations import InvalidObjectError

_FILE = """
name: "tests/forms.proto" package: "tests.forms" syntax: "proto3"
dependency: "podraft/api/meta/v1/options.proto"
dependency: "podraft/api/runtime/v1/raw_extension.proto"
message_type {
  name: "Words"
  field { name: "words" number: 1 label: LABEL_REPEATED type: TYPE_STRING json_name: "words" }
  options { [podraft.api.meta.v1.json_form]: JSON_ITEMS }
}
message_type {
  name: "TreeOrBool"
  field { name: "allows" number: 1 label: LABEL_OPTIONAL type: TYPE_BOOL json_name: "allows" }
  field { name: "tree" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE
          type_name: ".tests.forms.Tree" json_name: "tree" }
  options { [podraft.api.meta.v1.json_form]: JSON_EITHER }
}
message_type {
  name: "TreeOrTrees"
  field { name: "tree" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE
          type_name: ".tests.forms.Tree" json_name: "tree" }
  field { name: "trees" number: 2 label: LABEL_REPEATED type: TYPE_MESSAGE
          type_name: ".tests.forms.Tree" json_name: "trees" }
  options { [podraft.api.meta.v1.json_form]: JSON_EITHER }
}
message_type {
  name: "Tree"
  field { name: "value" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE
          type_name: ".podraft.api.runtime.v1.RawExtension" json_name: "value" }
  field { name: "values" number: 2 label: LABEL_REPEATED type: TYPE_MESSAGE
          type_name: ".podraft.api.runtime.v1.RawExtension" json_name: "values" }
  field { name: "more" number: 3 label: LABEL_OPTIONAL type: TYPE_MESSAGE
          type_name: ".tests.forms.TreeOrBool" json_name: "more" }
  field { name: "items" number: 4 label: LABEL_OPTIONAL type: TYPE_MESSAGE
          type_name: ".tests.forms.TreeOrTrees" json_name: "items" }
  field { name: "words" number: 5 label: LABEL_OPTIONAL type: TYPE_MESSAGE
          type_name: ".tests.forms.Words" json_name: "words" }
  field { name: "inner" number: 6 label: LABEL_REPEATED type: TYPE_MESSAGE
          type_name: ".tests.forms.Tree.InnerEntry" json_name: "inner" }
  field { name: "most" number: 7 label: LABEL_OPTIONAL type: TYPE_DOUBLE json_name: "most" }
  nested_type {
    name: "InnerEntry"
    field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING json_name: "key" }
    field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE
            type_name: ".tests.forms.Tree" json_name: "value" }
    options { map_entry: true }
  }
}
"""


def _tree() -> Any:
    pool = Default()
    try:
        return GetMessageClass(pool.FindMessageTypeByName("tests.forms.Tree"))
    except KeyError:
        file = text_format.Parse(_FILE, FileDescriptorProto(), descriptor_pool=pool)
        pool.AddSerializedFile(file.SerializeToString())
        return GetMessageClass(pool.FindMessageTypeByName("tests.forms.Tree"))


Tree = _tree()


@pytest.mark.parametrize(
    "value",
    [
        {"value": {"a": [1, 2.5, True, None, "é"], "b": {}}},
        {"value": "text"},
        {"value": 0},
        {"value": False},
        {"value": []},
        {"values": [None, 1, "a", {"b": None}]},
        {"more": True},
        {"more": False},
        {"more": {}},
        {"more": {"more": {"value": 1}}},
        {"items": {"words": ["a"]}},
        {"items": [{"words": ["a"]}, {}]},
        {"items": []},
        {"words": []},
        {"words": ["b", "a"]},
        {"inner": {"a": {"inner": {"b": {"value": [1]}}}, "c": {}}},
        {"most": 5},
        {"most": 0.25},
    ],
)
def test_json_of_every_form_comes_back_as_it_was(value: dict[str, Any]) -> None:
    message = codec.parse(Tree, value)
    assert write(message) == value
    again = codec.parse(Tree, write(message))
    assert again == message
    assert list(map(type, write(message).values())) == list(map(type, value.values()))


def test_unknown_json_is_kept_as_compact_text_in_the_order_of_its_members() -> None:
    tree = codec.parse(Tree, {"value": {"b": 1, "a": "é"}})
    assert tree.value.raw == '{"b":1,"a":"é"}'.encode()


def test_an_object_beside_a_boolean_allows() -> None:
    assert codec.parse(Tree, {"more": {}}).more.allows


@pytest.mark.parametrize(
    ("value", "field", "says"),
    [
        ({"more": "yes"}, "more", 'expected boolean or object, got string "yes"'),
        ({"items": 1}, "items", "expected object or list, got integer 1"),
        ({"words": {}}, "words", "expected list, got object"),
        ({"words": [1]}, "words[0]", "expected string, got integer 1 (put it in quotes)"),
        ({"inner": {"a": 1}}, "inner[a]", "expected object, got integer 1"),
        ({"value": float("inf")}, "value", "expected a JSON value, got number inf"),
        ({"value": {1: 2}}, "value", "expected string, got integer 1 (put it in quotes)"),
        ({"value": "\ud800"}, "value", "expected text, got characters that UTF-8 cannot encode"),
    ],
)
def test_a_value_of_another_form_is_a_violation(
    value: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidObjectError) as error:
        codec.parse(Tree, value)
    assert [(v.field, v.description) for v in error.value.violations] == [(field, says)]


@pytest.mark.parametrize("member", ["inner", "value"])
def test_nesting_is_bounded(member: str) -> None:
    value: dict[str, Any] = {}
    for _ in range(300):
        value = {member: {"a": value}} if member == "inner" else {"value": value}
    with pytest.raises(InvalidObjectError, match="nested deeper than"):
        codec.parse(Tree, value)


def test_the_deepest_that_is_read_can_be_sent() -> None:
    def nested(depth: int) -> dict[str, Any]:
        return {"inner": {"a": nested(depth - 1)}} if depth else {}

    message = codec.parse(Tree, nested(43))
    assert Tree.FromString(message.SerializeToString()) == message
    with pytest.raises(InvalidObjectError, match="nested deeper than 44 objects"):
        codec.parse(Tree, nested(44))


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"[1e999]", b"[" * 100_000, b"NaN"])
def test_bytes_that_are_no_json_are_a_fault_and_are_shown_as_null(raw: bytes) -> None:
    tree = Tree()
    tree.inner["a"].values.add().raw = raw
    faults = list(raw_faults(tree, "spec"))
    assert [fault.field for fault in faults] == ["spec.inner[a].values[0]"]
    assert write(tree) == {"inner": {"a": {"values": [None]}}}


def test_json_text_has_no_fault() -> None:
    tree = Tree()
    tree.value.raw = b' {"a" : [1]} '
    tree.values.add()
    assert list(raw_faults(tree)) == []
