"""Which fields of an object are found to be without effect, and what that costs."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from podraft.api import support
from podraft.api.coordination.v1 import lease_pb2
from podraft.api.core.v1 import config_pb2
from podraft.api.explain import explain
from podraft.api.meta.v1 import options_pb2

FIELD = descriptor_pb2.FieldDescriptorProto


def field(
    name: str,
    number: int,
    type_: Any,
    *,
    reason: str = "",
    satisfied_by: tuple[str, ...] = (),
    of: str = "",
    repeated: bool = False,
    inline: bool = False,
) -> descriptor_pb2.FieldDescriptorProto:
    label = FIELD.LABEL_REPEATED if repeated else FIELD.LABEL_OPTIONAL
    made = FIELD(name=name, number=number, type=type_, label=label, type_name=of or None)
    if reason:
        made.options.Extensions[options_pb2.unsupported] = reason
    if inline:
        made.options.Extensions[options_pb2.inline] = True
    made.options.Extensions[options_pb2.satisfied_by].extend(satisfied_by)
    return made


def message(name: str, *fields: Any) -> descriptor_pb2.DescriptorProto:
    return descriptor_pb2.DescriptorProto(name=name, field=fields)


@pytest.fixture(scope="module")
def tree() -> Any:
    """A type of objects that have every shape of field, and contain objects of their own type."""
    entry = message(
        "ByNameEntry",
        field("key", 1, FIELD.TYPE_STRING),
        field("value", 2, FIELD.TYPE_MESSAGE, of=".t.Tree"),
    )
    entry.options.map_entry = True
    tree = message(
        "Tree",
        field("plain", 1, FIELD.TYPE_STRING),
        field("mode", 2, FIELD.TYPE_STRING, reason="no modes", satisfied_by=("Default",)),
        field("on", 3, FIELD.TYPE_BOOL, reason="no switch", satisfied_by=("true",)),
        field("families", 4, FIELD.TYPE_STRING, reason="one", satisfied_by=("4",), repeated=True),
        field("empty", 5, FIELD.TYPE_MESSAGE, reason="no leaves", of=".t.Leaf"),
        field("children", 6, FIELD.TYPE_MESSAGE, of=".t.Tree", repeated=True),
        field("byName", 7, FIELD.TYPE_MESSAGE, of=".t.Tree.ByNameEntry", repeated=True),
        field("hoisted", 8, FIELD.TYPE_MESSAGE, of=".t.Tree", inline=True),
        field("leaf", 9, FIELD.TYPE_MESSAGE, of=".t.Leaf"),
    )
    tree.nested_type.append(entry)
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t")
    file.message_type.extend([tree, message("Leaf", field("name", 1, FIELD.TYPE_STRING))])
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("t.Tree"))


def paths(message: Any) -> list[str]:
    return [found.path for found in support.unsupported_fields(message)]


def test_a_set_field_is_found_by_its_path_through_lists_maps_and_inlined_messages(
    tree: Any,
) -> None:
    top = tree(mode="a")
    top.children.add()
    top.children.add().children.add(mode="b")
    top.byName["x.y/z"].mode = "c"
    top.hoisted.mode = "d"
    assert support.unsupported_fields(top)[0] == ("mode", "no modes")
    assert paths(top) == ["mode", "children[1].children[0].mode", "byName[x.y/z].mode", "mode"]


@pytest.mark.parametrize(
    ("values", "is_found"),
    [
        ({"mode": "Default"}, False),
        ({"mode": ""}, False),
        ({"mode": "Other"}, True),
        ({"on": True}, False),
        ({"on": False}, True),
        ({"families": ["4"]}, False),
        ({"families": ["4", "6"]}, True),
        ({"empty": {}}, False),
        ({"empty": {"name": ""}}, True),
        ({"plain": "x", "leaf": {"name": "y"}}, False),
    ],
)
def test_a_value_that_asks_for_what_is_done_anyway_is_not_found(
    tree: Any, values: dict[str, Any], is_found: bool
) -> None:
    assert bool(paths(tree(**values))) == is_found


def test_the_number_of_found_fields_is_bounded(tree: Any) -> None:
    assert len(paths(tree(children=[tree(mode="a")] * 1000))) == support.FOUND_MAX


def test_types_that_lead_to_no_such_field_are_not_looked_at() -> None:
    config_map: Any = config_pb2.ConfigMap.DESCRIPTOR
    lease: Any = lease_pb2.Lease.DESCRIPTOR
    assert not support.has_unsupported(config_map)
    assert support.has_unsupported(lease)


def test_explain_says_why_a_field_has_no_effect() -> None:
    field: Any = lease_pb2.LeaseSpec.DESCRIPTOR.fields_by_name["strategy"]
    assert explain("lease.spec.strategy")[1].unsupported == support.reason_of(field) != ""
    assert explain("lease.spec.holderIdentity")[1].unsupported == ""
