"""Kubernetes' JSON objects to protobuf messages, with every fault named.

Owns: the reading half of the codec: one table of fields per message, made once
from its descriptor, and the words of its violations.

Invariants: a faulty field never hides another fault; work is bounded by
``MAX_VALUES`` and, as no message type contains itself, by the types' depth.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.message import Message

from podraft.api import quantities, times
from podraft.api.codec_write import is_inline
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import MAX_VIOLATIONS, Violation, shown

MAX_VALUES = 1_000_000


class _FaultError(ValueError):
    """One value is wrong; the message says what was expected."""


@dataclass(slots=True)
class Report:
    """What has been found wrong so far, and how much has been read."""

    violations: list[Violation] = field(default_factory=list)
    values: int = 0

    def add(self, path: str, description: str) -> None:
        """Note one fault."""
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(Violation(path, description))

    def admit(self, count: int, path: str) -> bool:
        """Count ``count`` more values; False when the object is too large to read on."""
        self.values += count
        if self.values > MAX_VALUES:
            self.add(path, f"the object has more than {MAX_VALUES} values")
            return False
        return True


Convert: TypeAlias = Callable[[Any], Any]
Fill: TypeAlias = Callable[[Any, Any], None]
ReadField: TypeAlias = Callable[[Any, Any, str, Report], None]
TYPE_META = frozenset(("apiVersion", "kind"))


@dataclass(frozen=True, slots=True)
class _Table:
    """The fields of one message by JSON name; ``partial``: Kubernetes has more than these."""

    fields: Mapping[str, ReadField]
    partial: bool


def read_message(
    message: Message,
    value: object,
    path: str,
    report: Report,
    ignored: frozenset[str] = frozenset(),
) -> None:
    """Fill ``message`` from a JSON object; faults go to ``report``."""
    if not isinstance(value, Mapping):
        report.add(path, f"expected object, got {described(value)}")
        return
    if not report.admit(len(value), path):
        return
    table = _table(message.DESCRIPTOR)
    prefix = f"{path}." if path else ""
    for name, item in value.items():
        read = table.fields.get(name)
        if read is not None:
            if item is not None:
                read(message, item, prefix + name, report)
        elif name not in ignored:
            report.add(f"{prefix}{name}", _unknown(name, table))


@cache
def _table(descriptor: Descriptor) -> _Table:
    fields: dict[str, ReadField] = {}
    partial = _has_reserved(descriptor)
    for item in descriptor.fields:
        if not is_inline(item):
            fields[item.json_name] = _reader(item)
            continue
        inner = _table(item.message_type)
        partial = partial or inner.partial
        for name, read in inner.fields.items():
            fields[name] = _hoisted(item.name, read)
    return _Table(fields, partial)


def known_fields(descriptor: Descriptor) -> frozenset[str]:
    """Return the JSON names that a message type is read from."""
    return frozenset(_table(descriptor).fields)


def _has_reserved(descriptor: Descriptor) -> bool:
    proto = DescriptorProto()
    descriptor.CopyToProto(proto)
    return bool(proto.reserved_range)


def _hoisted(attribute: str, read: ReadField) -> ReadField:
    def read_inline(message: Any, value: Any, path: str, report: Report) -> None:
        read(getattr(message, attribute), value, path, report)

    return read_inline


def _unknown(name: object, table: _Table) -> str:
    if not isinstance(name, str):
        return f"expected a field name, got {described(name)}"
    fault = (
        "unknown field, or one that podraft does not support" if table.partial else "unknown field"
    )
    close = difflib.get_close_matches(name, table.fields, n=1, cutoff=0.75)
    if close:
        return f'{fault}; did you mean "{close[0]}"?'
    known = sorted(table.fields)
    if len(known) > 24:
        return fault
    return f"{fault}; known here: {', '.join(known)}"


# ---- One field ------------------------------------------------------------------------------


def _reader(item: FieldDescriptor) -> ReadField:
    if item.message_type is not None and item.message_type.GetOptions().map_entry:
        return _map_reader(item)
    message_type = item.message_type
    fill = _SPECIAL.get(message_type.full_name) if message_type is not None else None
    if item.is_repeated:
        if message_type is None:
            return _list_reader(item.name, _converter(item))
        if fill is None:
            return _message_list_reader(item.name)
        raise TypeError(f"{item.full_name}: a list of {message_type.name} has no reader")
    if message_type is None:
        return _scalar_reader(item.name, _converter(item))
    return _message_reader(item.name) if fill is None else _special_reader(item.name, fill)


def _scalar_reader(attribute: str, convert: Convert) -> ReadField:
    def read(message: Any, value: Any, path: str, report: Report) -> None:
        try:
            setattr(message, attribute, convert(value))
        except ValueError as fault:
            report.add(path, _reason(fault))

    return read


def _special_reader(attribute: str, fill: Fill) -> ReadField:
    def read(message: Any, value: Any, path: str, report: Report) -> None:
        try:
            fill(getattr(message, attribute), value)
        except ValueError as fault:
            report.add(path, _reason(fault))

    return read


def _message_reader(attribute: str) -> ReadField:
    def read(message: Any, value: Any, path: str, report: Report) -> None:
        child = getattr(message, attribute)
        child.SetInParent()
        read_message(child, value, path, report)

    return read


def _list_reader(attribute: str, convert: Convert) -> ReadField:
    def read(message: Any, value: Any, path: str, report: Report) -> None:
        if not _is_list(value, path, report):
            return
        target = getattr(message, attribute)
        for index, item in enumerate(value):
            try:
                target.append(convert(item))
            except ValueError as fault:
                report.add(f"{path}[{index}]", _reason(fault))

    return read


def _message_list_reader(attribute: str) -> ReadField:
    def read(message: Any, value: Any, path: str, report: Report) -> None:
        if not _is_list(value, path, report):
            return
        target = getattr(message, attribute)
        for index, item in enumerate(value):
            read_message(target.add(), item, f"{path}[{index}]", report)

    return read


def _is_list(value: object, path: str, report: Report) -> bool:
    if not isinstance(value, list | tuple):
        report.add(path, f"expected list, got {described(value)}")
        return False
    return report.admit(len(value), path)


def _map_reader(item: FieldDescriptor) -> ReadField:
    attribute = item.name
    entry_type = item.message_type
    if entry_type is None:
        raise TypeError(f"{item.full_name} is no map")
    value_field = entry_type.fields_by_name["value"]
    value_type = value_field.message_type
    fill: Fill | None = None
    convert: Convert | None = None
    if value_type is None:
        convert = _converter(value_field)
    else:
        fill = _SPECIAL[value_type.full_name]

    def read(message: Any, value: Any, path: str, report: Report) -> None:
        if not isinstance(value, Mapping):
            report.add(path, f"expected object, got {described(value)}")
            return
        if not report.admit(len(value), path):
            return
        target = getattr(message, attribute)
        for key, entry in value.items():
            try:
                key = _text(key)
                if entry is None:
                    continue
                if convert is not None:
                    target[key] = convert(entry)
                elif fill is not None:
                    fill(target[key], entry)
            except ValueError as fault:
                report.add(f"{path}[{key}]", _reason(fault))

    return read


def _reason(fault: ValueError) -> str:
    if isinstance(fault, _FaultError | quantities.InvalidQuantityError):
        return str(fault)
    # Protobuf refuses text that is no UTF-8: lone surrogates of a JSON escape.
    return "expected text, got characters that UTF-8 cannot encode"


# ---- One value ------------------------------------------------------------------------------


def described(value: object) -> str:
    """Return a JSON value as a message names it: its type, then a short form of it."""
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


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    hint = " (put it in quotes)" if isinstance(value, int | float | datetime.date) else ""
    raise _FaultError(f"expected string, got {described(value)}{hint}")


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _FaultError(f"expected boolean, got {described(value)}")


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _FaultError(f"expected number, got {described(value)}")


def _integer(bits: int) -> Convert:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def convert(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise _FaultError(f"expected integer, got {described(value)}")
        if not low <= value <= high:
            raise _FaultError(f"out of range for int{bits}: {shown(value)}")
        return value

    return convert


def _binary(value: object) -> bytes:
    if isinstance(value, bytes):
        return value  # YAML's !!binary.
    if not isinstance(value, str):
        raise _FaultError(f"expected base64 string, got {described(value)}")
    try:
        # Manifests wrap long lines, and Go's decoder skips the line breaks too.
        return base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        # The value may be a secret that someone forgot to encode: it is not repeated.
        raise _FaultError("expected base64, got other text (stringData takes plain text)") from None


def _enumerated(item: FieldDescriptor) -> Convert:
    values = item.enum_type.values if item.enum_type is not None else ()
    numbers = {value.name: value.number for value in values}

    def convert(value: object) -> int:
        if isinstance(value, str) and value in numbers:
            return numbers[value]
        raise _FaultError(f"expected one of {', '.join(numbers)}, got {described(value)}")

    return convert


def _converter(item: FieldDescriptor) -> Convert:
    if item.enum_type is not None:
        return _enumerated(item)
    match item.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return _binary if item.type == FieldDescriptor.TYPE_BYTES else _text
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


# ---- Messages that JSON writes as a text or a number ------------------------------------------


def _fill_time(target: meta_pb2.Time, value: object) -> None:
    target.CopyFrom(times.time_of(_moment(value)))


def _fill_micro_time(target: meta_pb2.MicroTime, value: object) -> None:
    target.CopyFrom(times.micro_time_of(_moment(value)))


def _moment(value: object) -> datetime.datetime:
    if isinstance(value, datetime.datetime):  # YAML readers recognise dates on their own.
        return value if value.tzinfo is not None else value.replace(tzinfo=datetime.UTC)
    if not isinstance(value, str):
        raise _FaultError(f"expected RFC 3339 time, got {described(value)}")
    try:
        return times.parse_rfc3339(value)
    except ValueError as error:
        raise _FaultError(f"{error}, got {described(value)}") from None


def _fill_quantity(target: meta_pb2.Quantity, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _FaultError(f"expected quantity, got {described(value)}")
    text = value if isinstance(value, str) else _plain(value)
    try:
        target.string = quantities.canonical(text)
    except quantities.InvalidQuantityError as error:
        raise _FaultError(f"{error}, got {described(value)}") from None


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
        raise _FaultError(f"expected integer or string, got {described(value)}")
    number = _int32(value)
    target.type = 0
    target.int_val = number


_SPECIAL: dict[str, Fill] = {
    "podraft.api.meta.v1.Time": _fill_time,
    "podraft.api.meta.v1.MicroTime": _fill_micro_time,
    "podraft.api.meta.v1.Quantity": _fill_quantity,
    "podraft.api.meta.v1.IntOrString": _fill_int_or_string,
}
