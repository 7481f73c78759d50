"""The fields that a message sets, and those in which two messages differ.

Owns: both walks over the parts of messages.

Invariants: pure; values that are only spelt differently do not differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from podraft.api.codec import spelling
from podraft.api.ownership.field_set import EMPTY, WHOLE, FieldSet
from podraft.api.ownership.parts import Part, Way, elements_of, parts_of


def fields_of(message: Message) -> FieldSet:
    """Return the fields that a message sets; an empty message is a value itself."""
    children = {}
    for part in parts_of(message.DESCRIPTOR).values():
        if part.is_in(message):
            children[part.element] = _value_fields(part, _value(part, message))
    return FieldSet(children, is_member=not children)


def _value(part: Part, message: Any) -> Any:
    return getattr(part.holder(message), part.attribute)


def _value_fields(part: Part, value: Any) -> FieldSet:
    match part.way:
        case Way.MESSAGE:
            return fields_of(value)
        case Way.MAP:
            return FieldSet({f"f:{key}": WHOLE for key in value})
        case Way.SET:
            found = elements_of(part, value)
            return WHOLE if found is None else FieldSet(dict.fromkeys(found, WHOLE))
        case Way.ELEMENTS:
            found = elements_of(part, value)
            if found is None:
                return WHOLE
            return FieldSet({element: _element_fields(one) for element, one in found.items()})
        case Way.VALUE:
            return WHOLE


def _element_fields(element: Message) -> FieldSet:
    """Return an element of a list, which is there by itself, and its fields."""
    return FieldSet(fields_of(element).children, is_member=True)


@dataclass(frozen=True, slots=True)
class Difference:
    """The fields that one message sets in another way than an earlier one, and those it drops.

    A place that was dropped stands for everything that was below it.
    """

    written: FieldSet
    removed: FieldSet

    def __bool__(self) -> bool:
        return bool(self.written or self.removed)


_NONE = Difference(EMPTY, EMPTY)
_REMOVED = Difference(EMPTY, WHOLE)


def difference(before: Message, after: Message) -> Difference:
    """Return how ``after`` differs from ``before``, a message of the same type."""
    found: dict[str, Difference] = {}
    for element, part in parts_of(before.DESCRIPTOR).items():
        was, is_there = part.is_in(before), part.is_in(after)
        if is_there:
            value = _value(part, after)
            if not was:
                found[element] = Difference(_value_fields(part, value), EMPTY)
            elif (inner := _value_difference(part, _value(part, before), value)) is not None:
                found[element] = inner
        elif was:
            found[element] = _dropped(part, _value(part, before))
    if found and _is_empty(after):
        # What is left is the empty message, a value of its own.
        return Difference(WHOLE, _joined(found).removed)
    return _joined(found)


def _is_empty(message: Message) -> bool:
    """Return whether a message sets nothing."""
    return not any(part.is_in(message) for part in parts_of(message.DESCRIPTOR).values())


def _joined(found: dict[str, Difference]) -> Difference:
    if not found:
        return _NONE
    return Difference(
        FieldSet({element: one.written for element, one in found.items() if one.written}),
        FieldSet({element: one.removed for element, one in found.items() if one.removed}),
    )


def _dropped(part: Part, before: Any) -> Difference:
    """Return the removal of a whole field; of a map or list, of each of its parts."""
    match part.way:
        case Way.MAP:
            return Difference(EMPTY, FieldSet({f"f:{key}": WHOLE for key in before}))
        case Way.SET | Way.ELEMENTS if (found := elements_of(part, before)) is not None:
            return Difference(EMPTY, FieldSet(dict.fromkeys(found, WHOLE)))
        case _:
            return _REMOVED


def _value_difference(part: Part, before: Any, after: Any) -> Difference | None:
    """Return how a field's values differ; None if they do not."""
    if before == after:
        return None
    match part.way:
        case Way.MESSAGE:
            return difference(before, after) or None
        case Way.MAP:
            return _map_difference(before, after)
        case Way.ELEMENTS | Way.SET:
            old, new = elements_of(part, before), elements_of(part, after)
            if old is None or new is None:
                return Difference(_value_fields(part, after) if old is not None else WHOLE, EMPTY)
            return _elements_difference(old, new)
        case Way.VALUE:
            return None if same_value(part, before, after) else Difference(WHOLE, EMPTY)


def same_value(part: Part, before: Any, after: Any) -> bool:
    """Return whether two values of an undivided field mean the same."""
    if before == after:
        return True
    return part.is_message and not part.is_repeated and spelling.same(before, after)


def _map_difference(before: Any, after: Any) -> Difference | None:
    written, removed = {}, {}
    for key in after:
        if key not in before or not _same_entry(before[key], after[key]):
            written[f"f:{key}"] = WHOLE
    for key in before:
        if key not in after:
            removed[f"f:{key}"] = WHOLE
    return Difference(FieldSet(written), FieldSet(removed)) or None


def _same_entry(before: Any, after: Any) -> bool:
    return bool(before == after) or (isinstance(before, Message) and spelling.same(before, after))


def _elements_difference(old: dict[str, Any], new: dict[str, Any]) -> Difference | None:
    found: dict[str, Difference] = {}
    for element, after in new.items():
        before = old.get(element)
        if element not in old:
            fields = _element_fields(after) if isinstance(after, Message) else WHOLE
            found[element] = Difference(fields, EMPTY)
        elif (
            isinstance(after, Message)
            and isinstance(before, Message)
            and (inner := difference(before, after))
        ):
            found[element] = inner
    for element in old:
        if element not in new:
            found[element] = _REMOVED
    return _joined(found) or None
