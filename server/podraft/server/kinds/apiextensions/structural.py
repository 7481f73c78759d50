"""Schemas of declared kinds must be structural: each field's type is said once, outside of logic.

Owns: what a schema may say, and where.  A structural schema tells of every value whether it is
known, so that unknown fields can be dropped and absent ones filled in.

Invariant: the walk is bounded by the depth that the codec reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from podraft.api.apiextensions.v1.json_schema_pb2 import JSONSchemaProps
from podraft.api.codec.forms import raw_value
from podraft.api.violations import shown
from podraft.server.kinds.apiextensions.patterns import pattern_problem
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.expressions import check_expression

DEPTH_MAX: Final = 40
_OBJECT, _ARRAY = "object", "array"
_TYPES: Final = (_OBJECT, _ARRAY, "string", "integer", "number", "boolean")
_LIST_TYPES: Final = ("atomic", "set", "map")
_MAP_TYPES: Final = ("granular", "atomic")
_REASONS: Final = (
    "FieldValueInvalid",
    "FieldValueForbidden",
    "FieldValueRequired",
    "FieldValueDuplicate",
)
# What JSON Schema has and structural schemas do not.
_NEVER: Final = {
    "id": "id",
    "schema": "$schema",
    "ref": "$ref",
    "definitions": "definitions",
    "dependencies": "dependencies",
    "pattern_properties": "patternProperties",
    "additional_items": "additionalItems",
}
# What is said of a value itself, not within allOf, anyOf, oneOf and not.
_OUTSIDE: Final = {
    "description": "description",
    "type": "type",
    "default": "default",
    "additional_properties": "additionalProperties",
    "nullable": "nullable",
    "x_kubernetes_preserve_unknown_fields": "x-kubernetes-preserve-unknown-fields",
    "x_kubernetes_embedded_resource": "x-kubernetes-embedded-resource",
    "x_kubernetes_int_or_string": "x-kubernetes-int-or-string",
    "x_kubernetes_list_map_keys": "x-kubernetes-list-map-keys",
    "x_kubernetes_list_type": "x-kubernetes-list-type",
    "x_kubernetes_map_type": "x-kubernetes-map-type",
    "x_kubernetes_validations": "x-kubernetes-validations",
}
_INT_OR_STRING: Final = ("integer", "string")


def check_root(schema: JSONSchemaProps, field: str, report: Report) -> None:
    """Check the schema of whole objects."""
    if schema.type != _OBJECT:
        report.add(f"{field}.type", f'must be "object", is {shown(schema.type)}')
    if schema.nullable:
        report.add(f"{field}.nullable", "must not be true: an object is never null")
    _check_metadata(schema, field, report)
    _check_value(schema, field, report, 0)


def _check_metadata(schema: JSONSchemaProps, field: str, report: Report) -> None:
    """Check that the schema says of metadata at most how names look: the rest is the server's."""
    if "metadata" in schema.properties:
        metadata = schema.properties["metadata"]
        path = f"{field}.properties[metadata]"
        if metadata.type != _OBJECT:
            report.add(f"{path}.type", 'must be "object"')
        for name in sorted(set(metadata.properties) - {"name", "generateName"}):
            what = "must not be there: of metadata only name and generateName may be restricted"
            report.add(f"{path}.properties[{name}]", what)
    for name in ("apiVersion", "kind"):
        if name in schema.properties and schema.properties[name].type != "string":
            report.add(f"{field}.properties[{name}].type", 'must be "string"')


def _check_value(schema: JSONSchemaProps, field: str, report: Report, depth: int) -> None:
    """Check what is said of a value and of what it contains."""
    if depth > DEPTH_MAX:
        report.add(field, f"is nested deeper than {DEPTH_MAX} schemas")
        return
    _check_type(schema, field, report)
    _check_common(schema, field, report)
    _check_lists(schema, field, report)
    if schema.HasField("default") and raw_value(schema.default) is None and not schema.nullable:
        report.add(f"{field}.default", "must not be null unless nullable is true")
    for index, rule in enumerate(schema.x_kubernetes_validations):
        path = f"{field}.x-kubernetes-validations[{index}]"
        check_expression(f"{path}.rule", rule.rule, report)
        if rule.HasField("message_expression"):
            check_expression(f"{path}.messageExpression", rule.message_expression, report)
        if rule.HasField("reason"):
            report.one_of(f"{path}.reason", rule.reason, _REASONS)
    for path, inner in _contained(schema, field):
        _check_value(inner, path, report, depth + 1)
    for path, inner in _logical(schema, field):
        _check_logic(inner, schema, path, report, depth + 1)


def _check_type(schema: JSONSchemaProps, field: str, report: Report) -> None:
    if schema.x_kubernetes_int_or_string:
        if schema.type:
            what = "must be empty with x-kubernetes-int-or-string"
            report.add(f"{field}.type", f"{what}, is {shown(schema.type)}")
    elif schema.type or not schema.x_kubernetes_preserve_unknown_fields:
        if not schema.type:
            report.add(f"{field}.type", f"is required: one of {', '.join(_TYPES)}")
        else:
            report.one_of(f"{field}.type", schema.type, _TYPES)
    if schema.HasField("x_kubernetes_preserve_unknown_fields") and (
        not schema.x_kubernetes_preserve_unknown_fields
    ):
        path = f"{field}.x-kubernetes-preserve-unknown-fields"
        report.add(path, "must be true or absent")
    if schema.x_kubernetes_embedded_resource:
        path = f"{field}.x-kubernetes-embedded-resource"
        if schema.type != _OBJECT:
            report.add(path, 'must only be set when type is "object"')
        if not schema.properties and not schema.x_kubernetes_preserve_unknown_fields:
            report.add(path, "needs properties or x-kubernetes-preserve-unknown-fields")


def _check_common(schema: JSONSchemaProps, field: str, report: Report) -> None:
    """Check what holds everywhere, also within logic."""
    set_fields = {name.name for name, _ in schema.ListFields()}
    for name, shown_name in _NEVER.items():
        if name in set_fields and getattr(schema, name):
            report.add(f"{field}.{shown_name}", "must not be set in a structural schema")
    if schema.unique_items:
        what = "must not be true: comparing all elements takes too long; use x-kubernetes-list-type"
        report.add(f"{field}.uniqueItems", what)
    if schema.HasField("pattern") and (problem := pattern_problem(schema.pattern)) is not None:
        report.add(f"{field}.pattern", f"is no regular expression: {problem}")
    if schema.HasField("multiple_of") and schema.multiple_of <= 0:
        report.add(f"{field}.multipleOf", f"must be more than 0, is {schema.multiple_of:g}")
    if schema.items.json_schemas:
        report.add(f"{field}.items", "must be one schema, not a list of them")
    if schema.HasField("additional_properties"):
        path = f"{field}.additionalProperties"
        if schema.properties:
            report.add(path, "must not be set beside properties")
        if not schema.additional_properties.allows:
            report.add(path, "must not be false: unknown fields are dropped anyway")


def _check_lists(schema: JSONSchemaProps, field: str, report: Report) -> None:
    """Check how lists and objects are merged."""
    list_type, keys = schema.x_kubernetes_list_type, schema.x_kubernetes_list_map_keys
    path = f"{field}.x-kubernetes-list-type"
    if schema.type == _ARRAY and not schema.items.HasField("schema"):
        report.add(f"{field}.items", 'is required when type is "array"')
    if list_type:
        report.one_of(path, list_type, _LIST_TYPES)
        if schema.type != _ARRAY:
            report.add(path, 'must only be set when type is "array"')
    if (list_type == "map") != bool(keys):
        what = "must be set if, and only if, x-kubernetes-list-type is map"
        report.add(f"{field}.x-kubernetes-list-map-keys", what)
    element = schema.items.schema
    if list_type == "map":
        _check_map_keys(schema, element, field, report)
    elif list_type == "set" and element.type in (_OBJECT, _ARRAY):
        is_atomic = "atomic" in (element.x_kubernetes_list_type, element.x_kubernetes_map_type)
        if not is_atomic:
            report.add(path, "may be set only if the elements are single values or atomic")
    if schema.x_kubernetes_map_type:
        path = f"{field}.x-kubernetes-map-type"
        report.one_of(path, schema.x_kubernetes_map_type, _MAP_TYPES)
        if schema.type != _OBJECT:
            report.add(path, 'must only be set when type is "object"')


def _check_map_keys(
    schema: JSONSchemaProps, element: JSONSchemaProps, field: str, report: Report
) -> None:
    for index, key in enumerate(schema.x_kubernetes_list_map_keys):
        path = f"{field}.x-kubernetes-list-map-keys[{index}]"
        if element.type != _OBJECT or key not in element.properties:
            report.add(path, f"{shown(key)} must be a field of the elements")
            continue
        part = element.properties[key]
        if part.type in (_OBJECT, _ARRAY):
            report.add(path, f"{shown(key)} must be a single value")
        elif key not in element.required and not part.HasField("default"):
            report.add(path, f"{shown(key)} must be required or have a default")


def _contained(schema: JSONSchemaProps, field: str) -> Iterator[tuple[str, JSONSchemaProps]]:
    for name, inner in schema.properties.items():
        yield f"{field}.properties[{name}]", inner
    if schema.items.HasField("schema"):
        yield f"{field}.items", schema.items.schema
    if schema.additional_properties.HasField("schema"):
        yield f"{field}.additionalProperties", schema.additional_properties.schema


def _logical(schema: JSONSchemaProps, field: str) -> Iterator[tuple[str, JSONSchemaProps]]:
    for name, parts in (
        ("allOf", schema.all_of),
        ("anyOf", schema.any_of),
        ("oneOf", schema.one_of),
    ):
        for index, part in enumerate(parts):
            yield f"{field}.{name}[{index}]", part
    if schema.HasField("not"):
        yield f"{field}.not", getattr(schema, "not")


def _check_logic(
    part: JSONSchemaProps, outer: JSONSchemaProps, field: str, report: Report, depth: int
) -> None:
    """Check a schema within logic: it may only restrict what ``outer`` describes."""
    if depth > DEPTH_MAX:
        report.add(field, f"is nested deeper than {DEPTH_MAX} schemas")
        return
    _check_common(part, field, report)
    set_fields = {name.name for name, _ in part.ListFields()}
    for name, shown_name in _OUTSIDE.items():
        is_choice = name == "type" and outer.x_kubernetes_int_or_string
        if name in set_fields and not (is_choice and part.type in _INT_OR_STRING):
            what = "must not be within allOf, anyOf, oneOf or not: say it of the value itself"
            report.add(f"{field}.{shown_name}", what)
    for name, inner in part.properties.items():
        path = f"{field}.properties[{name}]"
        if name in outer.properties:
            _check_logic(inner, outer.properties[name], path, report, depth + 1)
        elif not outer.additional_properties.HasField("schema"):
            report.add(path, "must also be among the properties of the value itself")
        else:
            _check_logic(inner, outer.additional_properties.schema, path, report, depth + 1)
    if part.items.HasField("schema"):
        _check_logic(part.items.schema, outer.items.schema, f"{field}.items", report, depth + 1)
    for path, inner in _logical(part, field):
        _check_logic(inner, outer, path, report, depth + 1)
