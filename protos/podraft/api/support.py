"""The fields of an object that podraft stores but does not act on, with the reasons.

Owns: reading the options ``unsupported`` and ``satisfied_by`` of the contract's fields.
Manifests, ``explain``, the server's warnings and ``docs/api-support.md`` all ask here.

Invariants: a part of an object whose type has no such field is never looked at; at most
``FOUND_MAX`` fields are found, however many an object has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from podraft.api.codec.write import is_inline
from podraft.api.meta.v1 import options_pb2

FOUND_MAX: Final = 100

Value: TypeAlias = Any


class Unsupported(NamedTuple):
    """A field without effect: its path of JSON names, and a clause that says why."""

    path: str
    reason: str

    @property
    def refusal(self) -> str:
        """What is wrong with setting the field."""
        return f"podraft does not act on it: {self.reason}"

    @property
    def warning(self) -> str:
        """What becomes of the field; the command line and the server say it in the same words."""
        return f"stored, but {self.refusal}"


def unsupported_fields(message: Message) -> list[Unsupported]:
    """Return the fields that are set although podraft does not act on them.

    Values that ask for what podraft does anyway are left out, as are empty texts, messages and
    lists.
    """
    plan = _plan(message.DESCRIPTOR)
    return list(islice(_found(message, plan, ""), FOUND_MAX)) if plan else []


def reason_of(field: FieldDescriptor) -> str:
    """Return why podraft does not act on a field; empty if it does."""
    if not field.has_options:
        return ""
    return str(field.GetOptions().Extensions[cast("Any", options_pb2.unsupported)])


def satisfied_by(field: FieldDescriptor) -> tuple[str, ...]:
    """Return the values of a field without effect that ask for what podraft does anyway."""
    return tuple(field.GetOptions().Extensions[cast("Any", options_pb2.satisfied_by)])


def content_of(field: FieldDescriptor) -> Descriptor | None:
    """Return the type of the messages that a field holds: as such, in a list or in a map."""
    message = field.message_type
    if message is not None and _is_map(field):
        message = message.fields_by_name["value"].message_type
    return message


def has_unsupported(descriptor: Descriptor) -> bool:
    """Return whether messages of a type can have a field, at any depth, without effect."""
    return bool(_plan(descriptor))


@dataclass(frozen=True, slots=True)
class _Step:
    """A field to look at: because it has no effect itself, or because of what it contains.

    Attributes:
        name: The field's name in the message.
        path: What the field adds to a path: ``.spec``, or nothing for an inline one.
        presence: Whether one can ask if the field is set; lists and maps are empty instead.
        is_map: Whether the values of a map are to be looked at.
        reason: Why the field has no effect; empty if only its content is to be looked at.
        satisfied_by: The values that need no effect.
        content: The type of what it contains; None if that is not to be looked at.
    """

    name: str
    path: str
    presence: bool
    is_map: bool
    reason: str
    satisfied_by: frozenset[str]
    content: Descriptor | None


@cache
def _plan(descriptor: Descriptor) -> Mapping[int, _Step]:
    """Return the steps for messages of a type, by field number.

    There are none if nothing below can be without effect.
    """
    steps = ((field.number, _step(field)) for field in descriptor.fields)
    return {number: step for number, step in steps if step is not None}


def _step(field: FieldDescriptor) -> _Step | None:
    reason = reason_of(field)
    below = content_of(field)
    content = below if below is not None and not reason and _concerned(below) else None
    if not reason and content is None:
        return None
    return _Step(
        name=field.name,
        path="" if is_inline(field) else f".{field.json_name}",
        presence=not field.is_repeated,
        is_map=_is_map(field),
        reason=reason,
        satisfied_by=frozenset(satisfied_by(field)),
        content=content,
    )


def _is_map(field: FieldDescriptor) -> bool:
    message = field.message_type
    return message is not None and bool(message.GetOptions().map_entry)


@cache
def _concerned(descriptor: Descriptor) -> bool:
    """Return whether a type, or one that it leads to, has a field without effect."""
    seen: set[Descriptor] = {descriptor}
    ahead = [descriptor]
    while ahead:
        for field in ahead.pop().fields:
            if reason_of(field):
                return True
            below = content_of(field)
            if below is not None and below not in seen:
                seen.add(below)
                ahead.append(below)
    return False


def _found(message: Value, plan: Mapping[int, _Step], path: str) -> Iterator[Unsupported]:
    # Only what is set is looked at: most objects set a few of many fields.
    for field, value in message.ListFields():
        step = plan.get(field.number)
        if step is None:
            continue
        here = f"{path}{step.path}"
        if step.content is None:
            if _asks_for_something(value, step.satisfied_by):
                yield Unsupported(here.removeprefix("."), step.reason)
            continue
        inner = _plan(step.content)
        for part, content in _parts(value, step):
            yield from _found(content, inner, f"{here}{part}")


def _parts(value: Value, step: _Step) -> Iterator[tuple[str, Value]]:
    """Yield the messages in a field's value, with what each adds to the path."""
    if step.presence:
        yield "", value
    elif step.is_map:
        for key in value:
            yield f"[{key}]", value[key]
    else:
        for index, element in enumerate(value):
            yield f"[{index}]", element


def _asks_for_something(value: Value, satisfied_by: frozenset[str]) -> bool:
    if isinstance(value, Message):
        return bool(value.ByteSize())
    if isinstance(value, bool):
        return str(value).lower() not in satisfied_by
    if isinstance(value, str | int | float | bytes):
        return value not in ("", b"") and str(value) not in satisfied_by
    if not satisfied_by:
        return len(value) > 0
    return any(str(element) not in satisfied_by for element in value)
