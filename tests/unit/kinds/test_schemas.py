"""Values against schemas: what is wrong is named; unknown fields go, absent ones are filled in."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import codec
from podraft.api.apiextensions.v1.json_schema_pb2 import JSONSchemaProps
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds.apiextensions import values
from podraft.server.kinds.apiextensions.completing import completed
from podraft.server.kinds.report import Report


def faults(schema: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    report = Report()
    values.Check(report).value(codec.parse(JSONSchemaProps, schema), value, "x")
    return [(violation.field, violation.description) for violation in report.violations]


TEXT = {"type": "string"}
LIST = {"type": "array", "items": {"type": "integer"}}


@pytest.mark.parametrize(
    ("schema", "right", "wrong", "field", "says"),
    [
        (TEXT, "a", 1, "x", "expected string, got integer 1"),
        (TEXT, "a", None, "x", "must not be null"),
        (TEXT | {"nullable": True}, None, [], "x", "expected string, got list"),
        ({"type": "integer"}, 2.0, 2.5, "x", "expected integer, got number 2.5"),
        ({"type": "integer"}, 1, True, "x", "expected integer, got boolean true"),
        ({"type": "boolean"}, False, 0, "x", "expected boolean, got integer 0"),
        ({"x-kubernetes-int-or-string": True}, "80", 0.5, "x",
         "expected integer or string, got number 0.5"),
        (TEXT | {"maxLength": 2}, "ab", "abc", "x", "must have at most 2 characters, has 3"),
        (TEXT | {"minLength": 1}, "a", "", "x", "must have at least 1 characters, has 0"),
        (TEXT | {"pattern": "^a+$"}, "aa", "ab", "x", 'must match "^a+$", is "ab"'),
        (TEXT | {"format": "ipv4"}, "10.0.0.1", "10.0.0", "x", 'is no ipv4: "10.0.0"'),
        (TEXT | {"format": "date-time"}, "2026-01-02T03:04:05Z", "2026-01-02", "x",
         'is no date-time: "2026-01-02"'),
        (TEXT | {"format": "colour"}, "red", 1, "x", "expected string, got integer 1"),
        (TEXT | {"enum": ["a", "b"]}, "b", "c", "x",
         'expected one of "a", "b", got string "c"'),
        ({"type": "integer", "enum": [1]}, 1, 2, "x", "expected one of 1, got integer 2"),
        ({"type": "number", "minimum": 1}, 1, 0.5, "x", "must be at least 1, is 0.5"),
        ({"type": "number", "minimum": 1, "exclusiveMinimum": True}, 2, 1, "x",
         "must be more than 1, is 1"),
        ({"type": "number", "maximum": 1, "exclusiveMaximum": True}, 0, 1, "x",
         "must be less than 1, is 1"),
        ({"type": "number", "multipleOf": 0.1}, 0.3, 0.35, "x",
         "must be a multiple of 0.1, is 0.35"),
        ({"type": "integer", "format": "int32"}, 2**31 - 1, 2**31, "x",
         "out of range for int32: 2147483648"),
        (LIST, [1], [1, "a"], "x[1]", 'expected integer, got string "a"'),
        (LIST | {"maxItems": 1}, [1], [1, 2], "x", "must have at most 1 elements, has 2"),
        (LIST | {"x-kubernetes-list-type": "set"}, [1, 2], [1, 1], "x[1]",
         "duplicate: such an element is there already"),
        ({"type": "object", "required": ["a"]}, {"a": 1}, {}, "x.a", "is required"),
        ({"type": "object", "properties": {"a": TEXT}}, {"a": "b"}, {"a": 1}, "x.a",
         "expected string, got integer 1"),
        ({"type": "object", "additionalProperties": TEXT}, {"k": "v"}, {"k": 1}, "x.k",
         "expected string, got integer 1"),
        ({"type": "object", "minProperties": 1}, {"k": 1}, {}, "x",
         "must have at least 1 fields, has 0"),
        ({"type": "integer", "anyOf": [{"maximum": 1}, {"minimum": 5}]}, 5, 3, "x",
         "must meet at least one of the schema's anyOf"),
        ({"type": "integer", "oneOf": [{"maximum": 5}, {"minimum": 5}]}, 4, 5, "x",
         "must meet exactly one of the schema's oneOf, not 2"),
        ({"type": "integer", "allOf": [{"maximum": 5}]}, 5, 6, "x", "must be at most 5, is 6"),
        ({"type": "integer", "not": {"maximum": 5}}, 6, 5, "x", "must not meet the schema's not"),
    ],
)  # fmt: skip
def test_a_value_is_what_the_schema_says(
    schema: dict[str, Any], right: Any, wrong: Any, field: str, says: str
) -> None:
    assert faults(schema, right) == []
    assert faults(schema, wrong) == [(field, says)]


def test_elements_of_a_map_have_keys_of_their_own() -> None:
    element = {"type": "object", "properties": {"id": TEXT, "value": TEXT}}
    schema = {
        "type": "array",
        "items": element,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["id"],
    }
    assert faults(schema, [{"id": "a", "value": "x"}, {"id": "b", "value": "x"}]) == []
    twice = [{"id": "a", "value": "x"}, {"id": "a", "value": "y"}]
    assert faults(schema, twice) == [("x[1]", "duplicate: such an element is there already")]


def test_a_check_that_takes_too_long_ends() -> None:
    schema = {"type": "array", "items": {"type": "integer", "allOf": [{"minimum": 0}] * 1000}}
    assert faults(schema, [1] * 100) == []
    with pytest.raises(InvalidObjectError, match="too long"):
        faults(schema, [1] * 1000)


@pytest.mark.parametrize(
    ("schema", "before", "after"),
    [
        ({"properties": {"a": TEXT}}, {"a": "x", "b": 1}, {"a": "x"}),
        ({"properties": {"a": TEXT | {"default": "d"}}}, {}, {"a": "d"}),
        ({"properties": {"a": TEXT | {"default": "d"}}}, {"a": None}, {"a": "d"}),
        ({"properties": {"a": TEXT | {"default": "d", "nullable": True}}}, {"a": None},
         {"a": None}),
        ({"properties": {"a": {"type": "object", "default": {}, "properties": {
            "b": TEXT | {"default": "d"}}}}}, {}, {"a": {"b": "d"}}),
        ({"properties": {"a": {"type": "array", "items": {"properties": {"b": TEXT}}}}},
         {"a": [{"b": "x", "c": 1}]}, {"a": [{"b": "x"}]}),
        ({"additionalProperties": {"properties": {"b": TEXT}}}, {"k": {"b": "x", "c": 1}},
         {"k": {"b": "x"}}),
        ({"additionalProperties": True}, {"k": {"c": 1}}, {"k": {"c": 1}}),
        ({"x-kubernetes-preserve-unknown-fields": True, "properties": {"a": {"properties": {}}}},
         {"a": {"x": 1}, "b": {"y": 1}}, {"a": {}, "b": {"y": 1}}),
        ({"x-kubernetes-embedded-resource": True, "properties": {"spec": {"properties": {}}}},
         {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "other": 1},
         {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}),
    ],
)  # fmt: skip
def test_unknown_fields_go_and_absent_ones_are_filled_in(
    schema: dict[str, Any], before: Any, after: Any
) -> None:
    assert completed(codec.parse(JSONSchemaProps, {"type": "object", **schema}), before) == after
