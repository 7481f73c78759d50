"""Single values of Kubernetes' JSON: which a field accepts, and what they become.

Owns: the conversion of scalars and of the messages that JSON writes as a string
or a number, and the description of a value of the wrong type.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from podraft.api import quantities, times
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import shown

Convert: TypeAlias = Callable[[Any], Any]
Fill: TypeAlias = Callable[[Any, Any], None]


class FaultError(ValueError):
    """A value is wrong; the message says what was expected."""


def described(value: object) -> str:
    """Return a JSON value as error messages describe it: its type, then its short form."""
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean {str(value).lower()}"
        case int():
            return f"integer {shown(value)}"
        case float():
            return f"number {shown(value)}"
        case str():
            return f"string {shown(value)}"
        case bytes():
            return "binary data"
        case Mapping():
            return "object"
        case list() | tuple():
            return "list"
        case datetime.datetime() | datetime.date():
            return f"date {value.isoformat()}"
        case _:
            return type(value).__name__


def to_text(value: object) -> str:
    """Return a value that must be text.

    Raises:
        FaultError: The value is something else.
    """
    if isinstance(value, str):
        return value
    hint = " (put it in quotes)" if isinstance(value, int | float | datetime.date) else ""
    raise FaultError(f"expected string, got {described(value)}{hint}")


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise FaultError(f"expected boolean, got {described(value)}")


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise FaultError(f"out of range for a number: {shown(value)}") from None
    raise FaultError(f"expected number, got {described(value)}")


def _integer(bits: int) -> Convert:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def convert(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise FaultError(f"expected integer, got {described(value)}")
        if not low <= value <= high:
            raise FaultError(f"out of range for int{bits}: {shown(value)}")
        return value

    return convert


def _binary(value: object) -> bytes:
    if isinstance(value, bytes):
        return value  # YAML's !!binary.
    if not isinstance(value, str):
        raise FaultError(f"expected base64 string, got {described(value)}")
    try:
        # Manifests wrap long lines, and Go's decoder skips the line breaks too.
        return base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        # Do not repeat the value: it may be a secret that someone forgot to encode.
        raise FaultError("expected base64, got other text (stringData takes plain text)") from None


def _enumerated(item: FieldDescriptor) -> Convert:
    values = item.enum_type.values if item.enum_type is not None else ()
    numbers = {value.name: value.number for value in values}

    def convert(value: object) -> int:
        if isinstance(value, str) and value in numbers:
            return numbers[value]
        raise FaultError(f"expected one of {', '.join(numbers)}, got {described(value)}")

    return convert


def converter(item: FieldDescriptor) -> Convert:
    """Return the conversion of one value of a scalar field."""
    if item.enum_type is not None:
        return _enumerated(item)
    match item.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return _binary if item.type == FieldDescriptor.TYPE_BYTES else to_text
        case FieldDescriptor.CPPTYPE_BOOL:
            return _boolean
        case FieldDescriptor.CPPTYPE_INT32:
            return _integer(32)
        case FieldDescriptor.CPPTYPE_INT64:
            return _integer(64)
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return _number
        case _:
            raise TypeError(f"{item.full_name}: its type has no reader")


# ---- Messages that JSON writes as a string or a number ----------------------------------------


def _fill_time(target: meta_pb2.Time, value: object) -> None:
    target.CopyFrom(times.time_of(_moment(value)))


def _fill_micro_time(target: meta_pb2.MicroTime, value: object) -> None:
    target.CopyFrom(times.micro_time_of(_moment(value)))


def _moment(value: object) -> datetime.datetime:
    if isinstance(value, datetime.datetime):  # YAML readers turn dates into objects on their own.
        return value if value.tzinfo is not None else value.replace(tzinfo=datetime.UTC)
    if not isinstance(value, str):
        raise FaultError(f"expected RFC 3339 time, got {described(value)}")
    try:
        return times.parse_rfc3339(value)
    except ValueError as error:
        raise FaultError(f"{error}, got {described(value)}") from None


def _fill_quantity(target: meta_pb2.Quantity, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FaultError(f"expected quantity, got {described(value)}")
    text = value if isinstance(value, str) else _plain(value)
    try:
        target.string = quantities.canonical(text)
    except quantities.InvalidQuantityError as error:
        raise FaultError(f"{error}, got {described(value)}") from None


def _plain(value: float) -> str:
    """Return a number as the text that a user would have written."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


_int32 = _integer(32)


def _fill_int_or_string(target: meta_pb2.IntOrString, value: object) -> None:
    if isinstance(value, str):
        target.type = 1
        target.str_val = value
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FaultError(f"expected integer or string, got {described(value)}")
    number = _int32(value)
    target.type = 0
    target.int_val = number


SPECIAL: dict[str, Fill] = {
    "podraft.api.meta.v1.Time": _fill_time,
    "podraft.api.meta.v1.MicroTime": _fill_micro_time,
    "podraft.api.meta.v1.Quantity": _fill_quantity,
    "podraft.api.meta.v1.IntOrString": _fill_int_or_string,
}
