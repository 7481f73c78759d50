"""The parts of a message as its writers share them.

Owns: the table of a message type: how each field divides into parts that have owners, and the path
element of each part.  The contract's options say it (`codec.merging`); nothing is said here of any
one field.

Invariant: a list whose elements cannot all be told apart counts as one value.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from podraft.api.codec import merging
from podraft.api.codec.forms import form_of
from podraft.api.codec.values import SPECIAL
from podraft.api.codec.write import is_inline
from podraft.api.meta.v1 import options_pb2


class Way(enum.Enum):
    """How a field divides: not at all, into fields, keys, elements with keys, or values."""

    VALUE = enum.auto()
    MESSAGE = enum.auto()
    MAP = enum.auto()
    ELEMENTS = enum.auto()
    SET = enum.auto()


@dataclass(frozen=True, slots=True)
class KeyField:
    """A field of an element's key: its attribute and JSON name, and what leaving it out means.

    ``within`` are the messages that JSON dissolves, from the outermost inwards.
    """

    attribute: str
    json_name: str
    default: str | None
    within: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One field; ``within`` are the messages that JSON dissolves, from the outermost inwards."""

    attribute: str
    element: str
    way: Way
    within: tuple[str, ...]
    is_message: bool
    is_repeated: bool
    keys: tuple[KeyField, ...] = ()
    one_of: bool = False

    def holder(self, message: Any) -> Any:
        """Return the message that has the field itself."""
        for attribute in self.within:
            message = getattr(message, attribute)
        return message

    def is_in(self, message: Any) -> bool:
        """Return whether a message has the field."""
        for attribute in self.within:
            if not message.HasField(attribute):
                return False
            message = getattr(message, attribute)
        return self.is_set(message)

    def is_set(self, holder: Any) -> bool:
        """Return whether the message that has the field itself sets it."""
        if self.is_repeated:
            return bool(getattr(holder, self.attribute))
        return bool(holder.HasField(self.attribute))


Parts: TypeAlias = Mapping[str, Part]


@cache
def parts_of(descriptor: Descriptor) -> Parts:
    """Return the parts of a message type by their path elements."""
    return {part.element: part for part in _parts(descriptor, ())}


def _parts(descriptor: Descriptor, within: tuple[str, ...]) -> Iterable[Part]:
    for field in descriptor.fields:
        if is_inline(field) and field.message_type is not None:
            yield from _parts(field.message_type, (*within, field.name))
        else:
            yield _part(field, within)


def _part(field: FieldDescriptor, within: tuple[str, ...]) -> Part:
    way, one_of = _way(field), False
    keys: tuple[KeyField, ...] = ()
    if way is Way.ELEMENTS:
        found = merging.list_keys(field)
        assert found is not None  # That is what makes it a list of elements with keys.
        keys = tuple(_key_field(field, name, default) for name, default in found.fields)
        one_of = found.one_of
    return Part(
        field.name,
        f"f:{field.json_name}",
        way,
        within,
        field.message_type is not None,
        field.is_repeated,
        keys,
        one_of,
    )


def _way(field: FieldDescriptor) -> Way:
    if merging.is_map(field):
        return Way.MAP
    if field.is_repeated:
        keys = merging.list_keys(field)
        if keys is None:
            return Way.VALUE
        return Way.ELEMENTS if keys.fields else Way.SET
    message = field.message_type
    if message is None or message.full_name in SPECIAL:
        return Way.VALUE
    # What is no object with fields in JSON has no parts there that could be named.
    return Way.MESSAGE if form_of(message) == options_pb2.JSON_OBJECT else Way.VALUE


def _key_field(field: FieldDescriptor, name: str, default: str | None) -> KeyField:
    found = merging.below(field, name)
    assert found is not None  # A test checks that every key is a field.
    assert field.message_type is not None  # The elements have fields.
    within = next(_ways_to(field.message_type, found, ()))
    return KeyField(found.name, name, default, within)


def _ways_to(
    descriptor: Descriptor, wanted: FieldDescriptor, within: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    """Yield the messages that JSON dissolves on the way to a field."""
    for field in descriptor.fields:
        if field.full_name == wanted.full_name:
            yield within
        elif is_inline(field) and field.message_type is not None:
            yield from _ways_to(field.message_type, wanted, (*within, field.name))


def elements_of(part: Part, elements: Iterable[Any]) -> dict[str, Any] | None:
    """Return the elements of a list by their path elements; None if they cannot be told apart."""
    result: dict[str, Any] = {}
    for one in elements:
        element = _value_element(one) if part.way is Way.SET else _key_element(part.keys, one)
        if element is None or element in result:
            return None
        result[element] = one
    return result


def _key_element(keys: tuple[KeyField, ...], message: Any) -> str | None:
    values: dict[str, Any] = {}
    for key in keys:
        holder = message
        for attribute in key.within:
            holder = getattr(holder, attribute)
        if holder.HasField(key.attribute):
            values[key.json_name] = getattr(holder, key.attribute)
        elif key.default is not None:
            values[key.json_name] = key.default
        elif not values:
            return None  # Without its first key an element cannot be named.
    return key_element(values)


def key_element(values: Mapping[str, Any]) -> str:
    """Return the path element of a list's element with these keys."""
    return f"k:{_compact(values)}"


def _value_element(value: Any) -> str | None:
    return f"v:{_compact(value)}" if isinstance(value, str | int) else None


def value_element(value: str | int) -> str:
    """Return the path element of a set's value."""
    return f"v:{_compact(value)}"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
