"""Conversion of Kubernetes' JSON objects to protobuf messages, with every fault named.

Owns: the reading half of the codec: one table of fields per message, made once
from its descriptor.  ``values`` converts single values.

Invariants: a faulty field never hides another fault, up to a useful number of faults; work is
bounded by ``VALUES_MAX`` and ``DEPTH_MAX``, as a message type may contain itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.message import Message

from podraft.api import quantities
from podraft.api.codec.forms import form_of, only_field, set_raw
from podraft.api.codec.values import (
    SPECIAL,
    Convert,
    FaultError,
    Fill,
    converter,
    described,
    to_text,
)
from podraft.api.codec.write import is_inline
from podraft.api.meta.v1 import meta_pb2, options_pb2
from podraft.api.violations import Faults

VALUES_MAX = 1_000_000
# Of messages in each other. Protobuf reads no bytes in which 100 are, of which a map's entries and
# what stands for a list or a boolean are some.
DEPTH_MAX = 44
# A longer list of known names would hide the fault that precedes it.
_KNOWN_SHOWN_MAX = 8
_HINTS_MAX = 5
_HINTED_LENGTH_MAX = 64


class Report(Faults):
    """The faults found so far, and the number of values read."""

    __slots__ = ("_hints", "_values", "_values_max", "depth")

    def __init__(self, values_max: int = VALUES_MAX) -> None:
        super().__init__()
        self._values = 0
        self._values_max = values_max
        self._hints = 0
        self.depth = 0

    def admit(self, count: int, path: str) -> bool:
        """Count ``count`` more values; return False when the object is too large to read on."""
        self._values += count
        if self._values > self._values_max:
            self.add(path, f"the object has more than {self._values_max} values")
            return False
        return True

    def hint(self, name: str, known: Iterable[str]) -> str | None:
        """Return the known name that a wrong one resembles most, for the first few wrong ones.

        The search costs far more than finding the fault does.
        """
        if self._hints >= _HINTS_MAX or len(name) > _HINTED_LENGTH_MAX:
            return None
        self._hints += 1
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        return close[0] if close else None


ReadField: TypeAlias = Callable[[Any, Any, str, Report], None]
TYPE_META = frozenset(("apiVersion", "kind"))


@dataclass(frozen=True, slots=True)
class _Table:
    """The fields of a message by JSON name; ``partial`` means that Kubernetes has more fields.

    ``rest`` is the field that takes all other members of the object; empty: there may be none.
    """

    fields: Mapping[str, ReadField]
    partial: bool
    rest: str = ""


def read_message(
    message: Message,
    value: object,
    path: str,
    report: Report,
    ignored: frozenset[str] = frozenset(),
) -> None:
    """Fill ``message`` from a JSON object; faults go to ``report``."""
    # The first question is the quick one.
    if not isinstance(value, dict) and not isinstance(value, Mapping):
        report.add(path, f"expected object, got {described(value)}")
        return
    if not report.admit(len(value), path):
        return
    if report.depth >= DEPTH_MAX:
        report.add(path, f"nested deeper than {DEPTH_MAX} objects")
        return
    report.depth += 1
    _read_fields(message, value, path, report, ignored)
    report.depth -= 1


def _read_fields(
    message: Message,
    value: Mapping[Any, Any],
    path: str,
    report: Report,
    ignored: frozenset[str],
) -> None:
    table = _table(message.DESCRIPTOR)
    prefix = f"{path}." if path else ""
    rest: dict[Any, Any] = {}
    for name, item in value.items():
        read = table.fields.get(name)
        if read is not None:
            if item is not None:
                read(message, item, prefix + name, report)
        elif name in ignored:
            continue
        elif table.rest:
            rest[name] = item
        else:
            report.add(f"{prefix}{name}", _unknown(name, table, report))
    if rest:
        _special_filler(set_raw)(getattr(message, table.rest), rest, path, report)


@cache
def _table(descriptor: Descriptor) -> _Table:
    fields: dict[str, ReadField] = {}
    partial, rest = _has_reserved(descriptor), ""
    for item in descriptor.fields:
        if not is_inline(item):
            fields[item.json_name] = _reader(item)
            continue
        if form_of(item.message_type) == options_pb2.JSON_MEMBERS:
            rest = item.name
            continue
        inner = _table(item.message_type)
        partial = partial or inner.partial
        for name, read in inner.fields.items():
            fields[name] = _hoisted(item.name, read)
    return _Table(fields, partial, rest)


def known_fields(descriptor: Descriptor) -> frozenset[str]:
    """Return the JSON names of the fields that a message type has."""
    return frozenset(_table(descriptor).fields)


def _has_reserved(descriptor: Descriptor) -> bool:
    proto = DescriptorProto()
    descriptor.CopyToProto(proto)
    return bool(proto.reserved_range)


def _hoisted(attribute: str, read: ReadField) -> ReadField:
    def read_inline(message: Any, value: Any, path: str, report: Report) -> None:
        read(getattr(message, attribute), value, path, report)

    return read_inline


def _unknown(name: object, table: _Table, report: Report) -> str:
    if not isinstance(name, str):
        return f"expected a field name, got {described(name)}"
    fault = (
        "unknown field, or one that podraft does not support" if table.partial else "unknown field"
    )
    if (close := report.hint(name, table.fields)) is not None:
        return f'{fault}; did you mean "{close}"?'
    known = sorted(table.fields)
    if len(known) > _KNOWN_SHOWN_MAX:
        return fault
    return f"{fault}; known here: {', '.join(known)}"


# ---- One field ------------------------------------------------------------------------------


def _reader(item: FieldDescriptor) -> ReadField:
    message_type = item.message_type
    if message_type is not None and message_type.GetOptions().map_entry:
        value = message_type.fields_by_name["value"]
        if value.message_type is not None:
            return _message_map_reader(item.name, _filler(value.message_type))
        return _map_reader(item.name, converter(value))
    if message_type is None:
        read = _list_reader if item.is_repeated else _scalar_reader
        return read(item.name, converter(item))
    fill = _filler(message_type)
    return _message_list_reader(item.name, fill) if item.is_repeated else _inner(item.name, fill)


def _filler(descriptor: Descriptor) -> ReadField:
    """Return the function that fills a message of a type from its JSON value."""
    special = SPECIAL.get(descriptor.full_name)
    if special is not None:
        return _special_filler(special)
    match form_of(descriptor):
        case options_pb2.JSON_RAW:
            return _special_filler(set_raw)
        case options_pb2.JSON_ITEMS:
            return _items_filler(_reader(only_field(descriptor)))
        case options_pb2.JSON_EITHER:
            return _either_filler(descriptor)
        case _:
            return _object_filler


def _object_filler(message: Any, value: Any, path: str, report: Report) -> None:
    message.SetInParent()
    read_message(message, value, path, report)


def _special_filler(fill: Fill) -> ReadField:
    def read(message: Any, value: Any, path: str, report: Report) -> None:
        try:
            fill(message, value)
        except ValueError as fault:
            report.add(path, _reason(fault))

    return read


def _items_filler(read_items: ReadField) -> ReadField:
    def read(message: Any, value: Any, path: str, report: Report) -> None:
        message.SetInParent()
        read_items(message, value, path, report)

    return read


def _either_filler(descriptor: Descriptor) -> ReadField:
    """Return the filler of a message that stands for one of several JSON types."""
    by_type: dict[type, ReadField] = {}
    flag = ""
    for field in descriptor.fields:
        if field.is_repeated:
            by_type[list] = _reader(field)
        elif field.message_type is not None:
            by_type[dict] = _reader(field)
        else:
            by_type[bool], flag = _reader(field), field.name
    expected = " or ".join(_JSON_TYPES[type_] for type_ in by_type)

    def read(message: Any, value: Any, path: str, report: Report) -> None:
        found = dict if isinstance(value, Mapping) else type(value)
        reader = by_type.get(list if found is tuple else found)
        if reader is None:
            report.add(path, f"expected {expected}, got {described(value)}")
            return
        message.SetInParent()
        if found is dict and flag:
            setattr(message, flag, True)
        reader(message, value, path, report)

    return read


_JSON_TYPES: dict[type, str] = {dict: "object", list: "list", bool: "boolean"}


def _scalar_reader(attribute: str, convert: Convert) -> ReadField:
    def read(message: Any, value: Any, path: str, report: Report) -> None:
        try:
            setattr(message, attribute, convert(value))
        except ValueError as fault:
            report.add(path, _reason(fault))

    return read


def _inner(attribute: str, fill: ReadField) -> ReadField:
    def read(message: Any, value: Any, path: str, report: Report) -> None:
        fill(getattr(message, attribute), value, path, report)

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


def _message_list_reader(attribute: str, fill: ReadField) -> ReadField:
    def read(message: Any, value: Any, path: str, report: Report) -> None:
        if not _is_list(value, path, report):
            return
        target = getattr(message, attribute)
        for index, item in enumerate(value):
            fill(target.add(), item, f"{path}[{index}]", report)

    return read


def _is_list(value: object, path: str, report: Report) -> bool:
    if not isinstance(value, list | tuple):
        report.add(path, f"expected list, got {described(value)}")
        return False
    return report.admit(len(value), path)


def _map_reader(attribute: str, convert: Convert) -> ReadField:
    def read(message: Any, value: Any, path: str, report: Report) -> None:
        if not _is_mapping(value, path, report):
            return
        target = getattr(message, attribute)
        for key, entry in value.items():
            try:
                # A key without a value is present with an empty value, as in Kubernetes.
                target[to_text(key)] = convert("" if entry is None else entry)
            except ValueError as fault:
                report.add(f"{path}[{key}]", _reason(fault))

    return read


def _message_map_reader(attribute: str, fill: ReadField) -> ReadField:
    def read(message: Any, value: Any, path: str, report: Report) -> None:
        if not _is_mapping(value, path, report):
            return
        target = getattr(message, attribute)
        for key, entry in value.items():
            try:
                child = target[to_text(key)]
            except ValueError as fault:
                report.add(f"{path}[{key}]", _reason(fault))
                continue
            if entry is not None:
                fill(child, entry, f"{path}[{key}]", report)
            elif isinstance(child, meta_pb2.Quantity):
                child.string = "0"

    return read


def _is_mapping(value: object, path: str, report: Report) -> bool:
    if not isinstance(value, Mapping):
        report.add(path, f"expected object, got {described(value)}")
        return False
    return report.admit(len(value), path)


def _reason(fault: ValueError) -> str:
    if isinstance(fault, FaultError | quantities.InvalidQuantityError):
        return str(fault)
    # Protobuf refuses text that is not UTF-8, such as lone surrogates from a JSON escape.
    return "expected text, got characters that UTF-8 cannot encode"
