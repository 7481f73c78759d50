"""JSON values against structural schemas: is the value what the schema says?

Owns: the meaning of a schema's words, and how a violation of each is worded.

Invariant: the work is bounded: each value met by a schema counts, also within logic.
"""

from __future__ import annotations

import datetime
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from podraft.api import names
from podraft.api.apiextensions.v1.json_schema_pb2 import JSONSchemaProps
from podraft.api.codec.forms import raw_value
from podraft.api.codec.values import described
from podraft.api.violations import Faults, InvalidObjectError, shown
from podraft.server.kinds.apiextensions.patterns import matches

STEPS_MAX: Final = 200_000
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}")
_INT_OR_STRING: Final = "integer or string"
_BITS: Final = {"int32": 31, "int64": 63}


class Check:
    """The check of one object, with what it may still cost."""

    def __init__(self, report: Faults) -> None:
        self._report = report
        self._steps = STEPS_MAX

    def value(self, schema: JSONSchemaProps, value: Any, field: str) -> None:
        """Check a value against a schema."""
        self._step(field)
        if value is None:
            if not schema.nullable:
                self._report.add(field, "must not be null")
            return
        if not self._type(schema, value, field):
            return
        if isinstance(value, str):
            self._text(schema, value, field)
        elif isinstance(value, Mapping):
            self._object(schema, value, field)
        elif isinstance(value, list):
            self._list(schema, value, field)
        elif not isinstance(value, bool):
            self._number(schema, value, field)
        if schema.enum and not any(_same(raw_value(one), value) for one in schema.enum):
            options = ", ".join(shown(raw_value(one)) for one in schema.enum[:20])
            self._report.add(field, f"expected one of {options}, got {described(value)}")
        self._logic(schema, value, field)

    def _step(self, field: str) -> None:
        self._steps -= 1
        if self._steps <= 0:
            raise InvalidObjectError.of(field, "the object takes too long to check by its schema")

    def _type(self, schema: JSONSchemaProps, value: Any, field: str) -> bool:
        expected = _INT_OR_STRING if schema.x_kubernetes_int_or_string else schema.type
        if expected and not _TYPES[expected](value):
            self._report.add(field, f"expected {expected}, got {described(value)}")
            return False
        return True

    def _text(self, schema: JSONSchemaProps, text: str, field: str) -> None:
        self._count(schema, ("min_length", "max_length"), len(text), "characters", field)
        if schema.HasField("pattern") and not matches(schema.pattern, text):
            self._report.add(field, f"must match {shown(schema.pattern)}, is {shown(text)}")
        is_right = _FORMATS.get(schema.format)
        if is_right is not None and not is_right(text):
            self._report.add(field, f"is no {schema.format}: {shown(text)}")

    def _number(self, schema: JSONSchemaProps, number: float, field: str) -> None:
        low, high = schema.minimum, schema.maximum
        if schema.HasField("minimum") and (
            number < low or (schema.exclusive_minimum and number == low)
        ):
            what = "more than" if schema.exclusive_minimum else "at least"
            self._report.add(field, f"must be {what} {low:g}, is {shown(number)}")
        if schema.HasField("maximum") and (
            number > high or (schema.exclusive_maximum and number == high)
        ):
            what = "less than" if schema.exclusive_maximum else "at most"
            self._report.add(field, f"must be {what} {high:g}, is {shown(number)}")
        if schema.HasField("multiple_of") and schema.multiple_of > 0:
            share = number / schema.multiple_of
            if not math.isclose(share, round(share), rel_tol=1e-9, abs_tol=1e-9):
                what = f"must be a multiple of {schema.multiple_of:g}"
                self._report.add(field, f"{what}, is {shown(number)}")
        bits = _BITS.get(schema.format)
        if bits is not None and isinstance(number, int) and number.bit_length() > bits:
            self._report.add(field, f"out of range for {schema.format}: {shown(number)}")

    def _object(self, schema: JSONSchemaProps, value: Mapping[str, Any], field: str) -> None:
        self._count(schema, ("min_properties", "max_properties"), len(value), "fields", field)
        for name in schema.required:
            if name not in value:
                self._report.add(_below(field, name), "is required")
        others = schema.additional_properties
        for name, part in value.items():
            if name in schema.properties:
                self.value(schema.properties[name], part, _below(field, name))
            elif others.HasField("schema"):
                self.value(others.schema, part, _below(field, name))

    def _list(self, schema: JSONSchemaProps, values: list[Any], field: str) -> None:
        self._count(schema, ("min_items", "max_items"), len(values), "elements", field)
        if schema.items.HasField("schema"):
            for index, element in enumerate(values):
                self.value(schema.items.schema, element, f"{field}[{index}]")
        self._unique(schema, values, field)

    def _unique(self, schema: JSONSchemaProps, values: list[Any], field: str) -> None:
        """Check that no two elements of a set are equal, or of a map have the same key."""
        keys = tuple(schema.x_kubernetes_list_map_keys)
        if schema.x_kubernetes_list_type not in ("set", "map"):
            return
        seen: set[str] = set()
        for index, element in enumerate(values):
            if keys:
                if not isinstance(element, Mapping):
                    continue
                key = repr([element.get(name) for name in keys])
            else:
                key = repr(_sorted(element))
            if key in seen:
                self._report.add(f"{field}[{index}]", "duplicate: such an element is there already")
            seen.add(key)

    def _count(
        self,
        schema: JSONSchemaProps,
        bounds: tuple[str, str],
        count: int,
        of_what: str,
        field: str,
    ) -> None:
        least, most = bounds
        if schema.HasField(least) and count < getattr(schema, least):
            what = f"must have at least {getattr(schema, least)} {of_what}"
            self._report.add(field, f"{what}, has {count}")
        if schema.HasField(most) and count > getattr(schema, most):
            what = f"must have at most {getattr(schema, most)} {of_what}"
            self._report.add(field, f"{what}, has {count}")

    def _logic(self, schema: JSONSchemaProps, value: Any, field: str) -> None:
        for part in schema.all_of:
            self.value(part, value, field)
        if schema.any_of and not any(self._holds(part, value, field) for part in schema.any_of):
            self._report.add(field, "must meet at least one of the schema's anyOf")
        if schema.one_of:
            count = sum(self._holds(part, value, field) for part in schema.one_of)
            if count != 1:
                self._report.add(field, f"must meet exactly one of the schema's oneOf, not {count}")
        if schema.HasField("not") and self._holds(getattr(schema, "not"), value, field):
            self._report.add(field, "must not meet the schema's not")

    def _holds(self, schema: JSONSchemaProps, value: Any, field: str) -> bool:
        inner = Check(Faults())
        inner._steps = self._steps
        inner.value(schema, value, field)
        self._steps = inner._steps
        return not inner._report.violations


def _below(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _is_integer(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": _is_integer,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    _INT_OR_STRING: lambda value: isinstance(value, str) or _is_integer(value),
}


def _same(first: Any, second: Any) -> bool:
    """Return whether two JSON values are equal; unlike in Python, true is not 1."""
    return bool(isinstance(first, bool) == isinstance(second, bool) and first == second)


def _sorted(value: Any) -> Any:
    """Return a value in which the order of an object's members does not show."""
    if isinstance(value, Mapping):
        return sorted((name, _sorted(part)) for name, part in value.items())
    return [_sorted(part) for part in value] if isinstance(value, list) else value


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def is_right(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return is_right


def _moment(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None or "T" not in text.upper():
        raise ValueError
    return moment


# Others are not looked at, as in Kubernetes.
_FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date-time": _parses(_moment),
    "date": _parses(datetime.date.fromisoformat),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": _parses(lambda text: ipaddress.ip_network(text, strict=False)),
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
    "hostname": lambda text: names.dns_subdomain(text.lower()) is None,
}
