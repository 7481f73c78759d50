"""Conversion of protobuf messages to Kubernetes' JSON objects.

Owns: the writing half of the codec: one table of fields per message, made once
from its descriptor.

Invariant: set fields are written, unset ones are not; an explicit zero,
``false``, empty text or empty message survives.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from podraft.api import times
from podraft.api.meta.v1 import meta_pb2, options_pb2

Encode: TypeAlias = Callable[[Any], Any]


def write(message: Message) -> dict[str, Any]:
    """Return the JSON object of a message, without ``apiVersion`` and ``kind``."""
    return cast("dict[str, Any]", message_encoder(message.DESCRIPTOR)(message))


@cache
def message_encoder(descriptor: Descriptor) -> Encode:
    """Return the encoder of a message type; special types become strings and numbers."""
    special = _SPECIAL.get(descriptor.full_name)
    if special is not None:
        return special
    fields = {field.number: _field(field) for field in descriptor.fields}

    def encode(message: Message) -> dict[str, Any]:
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
    if field.enum_type is not None:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda number: names.get(number, number)
    return None


def is_inline(field: FieldDescriptor) -> bool:
    """Return whether a field's own fields stand in its parent's JSON object."""
    return bool(field.GetOptions().Extensions[cast("Any", options_pb2.inline)])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


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
