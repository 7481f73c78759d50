"""Objects made to fit a structural schema: unknown fields are dropped, absent ones filled in.

Owns: what is unknown, and which defaults apply.

Invariant: the result shares nothing with the schema that a later change could reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from podraft.api.apiextensions.v1.json_schema_pb2 import JSONSchemaProps
from podraft.api.codec.forms import raw_value

# What every embedded object has, whatever its schema.
_OF_OBJECTS: Final = ("apiVersion", "kind", "metadata")


def completed(schema: JSONSchemaProps, value: Any) -> Any:
    """Return a value without unknown fields and with the defaults of those that are absent."""
    if isinstance(value, Mapping):
        return _completed_object(schema, value)
    if isinstance(value, list) and schema.items.HasField("schema"):
        return [completed(schema.items.schema, element) for element in value]
    return value


def _completed_object(schema: JSONSchemaProps, value: Mapping[str, Any]) -> dict[str, Any]:
    others = schema.additional_properties
    keeps = schema.x_kubernetes_preserve_unknown_fields or (
        others.allows and not others.HasField("schema")
    )
    result: dict[str, Any] = {}
    for name, part in value.items():
        if name in schema.properties:
            inner = schema.properties[name]
            # A null that may not be null stands for a field that is absent, if it has a default.
            if part is not None or inner.nullable or not inner.HasField("default"):
                result[name] = completed(inner, part)
        elif others.HasField("schema"):
            result[name] = completed(others.schema, part)
        elif keeps or (schema.x_kubernetes_embedded_resource and name in _OF_OBJECTS):
            result[name] = part
    for name, inner in schema.properties.items():
        if name not in result and inner.HasField("default"):
            result[name] = completed(inner, raw_value(inner.default))
    return result
