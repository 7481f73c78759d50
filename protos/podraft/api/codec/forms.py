"""Messages whose JSON is not an object with a member per field, as their option says.

Owns: what `options.proto`'s ``JsonForm`` means, for those who read and write messages.

Invariant: no message is known here by its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from podraft.api.codec import json_text
from podraft.api.meta.v1 import options_pb2
from podraft.api.violations import InvalidObjectError, Violation

_TEXTS: Final = (options_pb2.JSON_RAW, options_pb2.JSON_MEMBERS)
_FIELDS_OF_OBJECTS: Final = frozenset(("apiVersion", "kind", "metadata", "spec", "status"))


@cache
def form_of(descriptor: Descriptor) -> options_pb2.JsonForm:
    """Return how a message of a type stands in JSON."""
    options = descriptor.GetOptions()
    form: options_pb2.JsonForm = options.Extensions[cast("Any", options_pb2.json_form)]
    return form


def only_field(descriptor: Any) -> FieldDescriptor:
    """Return the field of a message type that has one."""
    fields: list[FieldDescriptor] = list(descriptor.fields)
    return fields[0]


def set_raw(message: Any, value: object) -> None:
    """Give a message of the form ``JSON_RAW`` a value.

    Raises:
        FaultError: It is no JSON value.
    """
    setattr(message, only_field(message.DESCRIPTOR).name, json_text.compact(value))


def raw_value(message: Any) -> Any:
    """Return the value of a message of the form ``JSON_RAW``; None if its text is no JSON."""
    text = getattr(message, only_field(message.DESCRIPTOR).name)
    try:
        return json_text.decode(text) if text else None
    except InvalidObjectError:
        return None  # Nothing of the sort is admitted, see `raw_faults`.


def members(message: Any) -> dict[str, Any]:
    """Return the members that a message of the form ``JSON_MEMBERS`` adds to its object."""
    value = raw_value(message)
    return value if isinstance(value, dict) else {}


def raw_faults(message: Message, path: str = "") -> Iterator[Violation]:
    """Yield what is wrong with the JSON texts that a client sent within a message."""
    if _has_raw(message, message.DESCRIPTOR):
        yield from _raw_faults(message, path)


def _has_raw(message: Any, descriptor: Any) -> bool:
    """Return whether a message holds a JSON text; hardly any does, and every write asks."""
    steps = _steps(descriptor)
    if steps is None:
        return True
    for name, is_repeated, is_map, inner in steps:
        if not is_repeated:
            if message.HasField(name) and _has_raw(getattr(message, name), inner):
                return True
            continue
        children = getattr(message, name)
        if children and is_map:
            return True
        for child in children:
            if _has_raw(child, inner):
                return True
    return False


@cache
def _steps(descriptor: Descriptor) -> tuple[tuple[str, bool, bool, Descriptor], ...] | None:
    """Return the fields below which a JSON text may be; None if the message is one itself."""
    if form_of(descriptor) in _TEXTS:
        return None
    return tuple(
        (field.name, field.is_repeated, _is_map(field), field.message_type)
        for field in _leading_to_raw(descriptor)
        if field.message_type is not None
    )


def _raw_faults(message: Message, path: str) -> Iterator[Violation]:
    if form_of(message.DESCRIPTOR) in _TEXTS:
        yield from _faults_of_text(message, path)
        return
    for field in _leading_to_raw(message.DESCRIPTOR):
        for place, child in _children(message, field):
            yield from _raw_faults(child, f"{path}.{place}" if path else place)


def _faults_of_text(message: Message, path: str) -> Iterator[Violation]:
    text = getattr(message, only_field(message.DESCRIPTOR).name)
    if not text:
        return
    try:
        value = json_text.decode(text)
        json_text.compact(value)
        if form_of(message.DESCRIPTOR) == options_pb2.JSON_MEMBERS:
            yield from _faults_of_members(value, path)
    except InvalidObjectError as error:
        yield Violation(path, error.violations[0].description)
    except ValueError as fault:
        yield Violation(path, str(fault))


def _faults_of_members(value: object, path: str) -> Iterator[Violation]:
    if not isinstance(value, dict):
        yield Violation(path, "must be a JSON object")
        return
    for name in sorted(_FIELDS_OF_OBJECTS.intersection(value)):
        yield Violation(path, f"must not have {name}, which stands beside it")


def _children(message: Any, field: FieldDescriptor) -> Iterator[tuple[str, Message]]:
    name = field.json_name
    if not field.is_repeated:
        if message.HasField(field.name):
            yield name, getattr(message, field.name)
    elif _is_map(field):
        for key, child in getattr(message, field.name).items():
            yield f"{name}[{key}]", child
    else:
        for index, child in enumerate(getattr(message, field.name)):
            yield f"{name}[{index}]", child


@cache
def _leading_to_raw(descriptor: Descriptor) -> tuple[FieldDescriptor, ...]:
    """Return the fields of a message type below which a JSON text may be."""
    return tuple(field for field in descriptor.fields if _reaches_raw(field, frozenset()))


def _reaches_raw(field: FieldDescriptor, above: frozenset[str]) -> bool:
    message = field.message_type
    if message is not None and _is_map(field):
        message = message.fields_by_name["value"].message_type
    if message is None or message.full_name in above:
        return False
    if form_of(message) in _TEXTS:
        return True
    return any(_reaches_raw(inner, above | {message.full_name}) for inner in message.fields)


def _is_map(field: FieldDescriptor) -> bool:
    message = field.message_type
    return message is not None and bool(message.GetOptions().map_entry)
