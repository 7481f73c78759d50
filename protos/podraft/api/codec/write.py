"""Conversion of protobuf messages to Kubernetes' JSON objects.

Owns: the writing half of the codec: one table of fields per message, made once
from its descriptor.

Invariant: set fields are written, unset ones are not; an explicit zero,
``false``, empty text or empty message survives.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from podraft.api import times
from podraft.api.codec.forms import form_of, members, only_field, raw_value
from podraft.api.meta.v1 import meta_pb2, options_pb2

Encode: TypeAlias = Callable[[Any], Any]

# Above, whole numbers are written with an exponent.
_WHOLE_MAX = 1e15


def write(message: Message) -> dict[str, Any]:
    """Return the JSON object of a message, without ``apiVersion`` and ``kind``."""
    return cast("dict[str, Any]", message_encoder(message.DESCRIPTOR)(message))


@cache
def message_encoder(descriptor: Descriptor) -> Encode:
    """Return the encoder of a message type; special types become strings and numbers."""
    special = _SPECIAL.get(descriptor.full_name)
    if special is not None:
        return special
    match form_of(descriptor):
        case options_pb2.JSON_RAW:
            return raw_value
        case options_pb2.JSON_MEMBERS:
            return members
        case options_pb2.JSON_ITEMS:
            return _items(descriptor)
        case options_pb2.JSON_EITHER:
            return _either(descriptor)
        case _:
            return _object(descriptor)


def _object(descriptor: Descriptor) -> Encode:
    fields: dict[int, tuple[str, Encode | None]] = {}

    def encode(message: Message) -> dict[str, Any]:
        if not fields:  # Not before the first message comes: a type may contain itself.
            fields.update({field.number: _field(field) for field in descriptor.fields})
        result: dict[str, Any] = {}
        for field, value in message.ListFields():
            name, convert = fields[field.number]
            if convert is None:
                result[name] = value
                continue
            converted = convert(value)
            if not name:
                result.update(converted)
            elif converted is not None:
                result[name] = converted
        return result

    return encode


def _items(descriptor: Descriptor) -> Encode:
    """Return the encoder of a message that stands for its only field, a list."""
    field = only_field(descriptor)
    _, convert = _field(field)
    return lambda message: (convert or list)(getattr(message, field.name))


def _either(descriptor: Descriptor) -> Encode:
    """Return the encoder of a message that stands for the one of its fields that is set."""

    def encode(message: Message) -> Any:
        values = {_json_type(field): (field, value) for field, value in message.ListFields()}
        for json_type in ("object", "list", "boolean"):
            if json_type in values:
                field, value = values[json_type]
                _, convert = _field(field)
                return value if convert is None else convert(value)
        # Nothing is set but what is empty.
        return [] if any(field.is_repeated for field in descriptor.fields) else False

    return encode


def _json_type(field: FieldDescriptor) -> str:
    if field.is_repeated:
        return "list"
    return "boolean" if field.message_type is None else "object"


def _field(field: FieldDescriptor) -> tuple[str, Encode | None]:
    """Return a field's JSON name (empty: inline) and its encoder (None: as it is)."""
    if is_inline(field):
        return "", message_encoder(field.message_type)
    name = field.json_name
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return name, _map(field.message_type.fields_by_name["value"])
    convert = _single(field)
    if not field.is_repeated:
        return name, convert
    if convert is None:
        return name, list
    return name, lambda values: [convert(value) for value in values]


def _map(value_field: FieldDescriptor) -> Encode:
    convert = _single(value_field)
    if convert is None:
        return dict
    return lambda entries: {key: convert(value) for key, value in entries.items()}


def _single(field: FieldDescriptor) -> Encode | None:
    if field.message_type is not None:
        return message_encoder(field.message_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _base64
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return _number
    if field.enum_type is not None:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda number: names.get(number, number)
    return None


def is_inline(field: FieldDescriptor) -> bool:
    """Return whether a field's own fields stand in its parent's JSON object."""
    return bool(field.GetOptions().Extensions[cast("Any", options_pb2.inline)])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _number(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None  # JSON has no such number.
    return int(value) if value.is_integer() and abs(value) < _WHOLE_MAX else value


def _time(time: meta_pb2.Time) -> str | None:
    return times.format_time(time) if time.HasField("seconds") else None


def _micro_time(time: meta_pb2.MicroTime) -> str | None:
    return times.format_micro_time(time) if time.HasField("seconds") else None


def _quantity(quantity: meta_pb2.Quantity) -> str:
    return quantity.string or "0"


def _int_or_string(value: meta_pb2.IntOrString) -> int | str:
    return value.str_val if value.type == 1 else value.int_val


_SPECIAL: dict[str, Encode] = {
    "podraft.api.meta.v1.Time": _time,
    "podraft.api.meta.v1.MicroTime": _micro_time,
    "podraft.api.meta.v1.Quantity": _quantity,
    "podraft.api.meta.v1.IntOrString": _int_or_string,
}
