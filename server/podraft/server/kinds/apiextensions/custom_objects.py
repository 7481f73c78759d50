"""Objects of declared kinds: they are what the schema of their definition says.

Owns: the rules of such a kind, made from its definition.

Invariant: what is stored fits the schema that it was written under; metadata is checked as that of
every object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from podraft.api.apiextensions.v1.json_schema_pb2 import JSONSchemaProps
from podraft.api.codec.forms import raw_faults, set_raw
from podraft.api.codec.write import write
from podraft.api.declared import stored_version
from podraft.api.kinds import AnyKind
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds.apiextensions.completing import completed
from podraft.server.kinds.apiextensions.values import Check
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules

_METADATA: Final = "metadata"
_STATUS: Final = "status"


def rules_of_declared(kind: AnyKind) -> Rules[Any]:
    """Return the rules of a kind that a definition declares."""
    schema = JSONSchemaProps()
    schema.CopyFrom(stored_version(kind.definition).schema.open_api_v3_schema)
    return Rules(
        default=_completer(schema, lambda name: not (kind.has_status and name == _STATUS)),
        default_status=_completer(schema, lambda name: name == _STATUS),
        check=_checker(schema, kind),
        check_status=_checker(schema, kind),
    )


def _completer(schema: JSONSchemaProps, concerns: Callable[[str], bool]) -> Callable[[Any], None]:
    """Return the step that makes the fields which it concerns fit the schema."""

    def complete(obj: Any) -> None:
        if any(raw_faults(obj)):
            return  # It cannot be read; the check of every object says so.
        before = _content(obj)
        after = completed(schema, before)
        fields = {name: value for name, value in after.items() if concerns(name)}
        fields |= {name: value for name, value in before.items() if not concerns(name)}
        if fields == before:
            return
        try:
            _set_content(obj, fields)
        except ValueError as fault:  # Defaults can nest deeper than what is stored may.
            raise InvalidObjectError.of("", str(fault)) from None

    return complete


def _checker(schema: JSONSchemaProps, kind: AnyKind) -> Callable[[Any, Report], None]:
    def check(obj: Any, report: Report) -> None:
        value: dict[str, Any] = _content(obj)
        value |= {"apiVersion": kind.api_version, "kind": kind.name}
        if _METADATA in schema.properties:
            metadata = obj.metadata
            value[_METADATA] = {"name": metadata.name, "generateName": metadata.generate_name}
        elif _METADATA in schema.required:
            value[_METADATA] = {}
        Check(report).value(schema, value, "")

    return check


def _content(obj: Any) -> dict[str, Any]:
    """Return an object's fields but for its metadata."""
    value = write(obj)
    value.pop(_METADATA, None)
    return value


def _set_content(obj: Any, fields: dict[str, Any]) -> None:
    """Give an object other fields, and leave its metadata alone."""
    for name in _own_fields(obj):
        obj.ClearField(name)
    rest = {name: value for name, value in fields.items() if name not in ("spec", _STATUS)}
    for name in ("spec", _STATUS):
        if fields.get(name) is not None:
            set_raw(getattr(obj, name), fields[name])
    for name in ("apiVersion", "kind", _METADATA):
        rest.pop(name, None)
    if rest:
        set_raw(obj.members, rest)


def _own_fields(obj: Any) -> Iterable[str]:
    return [field.name for field in obj.DESCRIPTOR.fields if field.name != _METADATA]
