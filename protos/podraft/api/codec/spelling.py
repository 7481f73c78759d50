"""Different spellings of one value: `1` and `1000m`, `1Gi` and `1024Mi`, an empty text and none.

Owns: which spellings in an object mean the same, for the two that compare objects: the server,
to which a change of spelling is no change, and the Deployment controller, which starts no
rollout for one.

Invariant: values that are not known to mean the same differ.  A false that overrides a true
elsewhere, a user 0 and an empty volume have a meaning; a read-only false has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from podraft.api import quantities
from podraft.api.meta.v1 import meta_pb2

# A field's descriptor: its type at run time differs from the documented one.
Field: TypeAlias = Any

# Numbers and booleans that mean nothing when they are zero.  An empty text never has a meaning.
_PLAIN: Final = frozenset(
    (
        "host_network",
        "tty",
        "read_only",
        "optional",
        "privileged",
        "read_only_root_filesystem",
        "publish_not_ready_addresses",
        "paused",
        "initial_delay_seconds",
        "min_ready_seconds",
        "node_port",
    )
)
# Messages that mean nothing when they are empty.
_CONTAINERS_OF_FIELDS: Final = frozenset(
    ("ResourceRequirements", "SecurityContext", "PodSecurityContext", "Lifecycle", "ObjectMeta")
)
_PERCENT_DIGITS_MAX: Final = 9


def respell(message: Message) -> None:
    """Rewrite a message, in place, in the one spelling that comparisons and hashes need."""
    if _respell_value(message):
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            if not field.is_repeated and not value and _is_plain(field):
                message.ClearField(field.name)
            continue
        for child in _children(field, value):
            respell(child)
        if _is_absent_when_empty(field) and not value.ListFields():
            message.ClearField(field.name)


def same(first: Message, second: Message) -> bool:
    """Return whether two messages of one type mean the same, however they are spelt."""
    return bool(first == second) or _respelt(first) == _respelt(second)


def keep_spelling(stored: Message, proposed: Message) -> None:
    """Give equal values in ``proposed``, in place, the spelling that they have in ``stored``.

    Only differing parts are examined, so that an equal or a very different pair costs little.
    """
    for each in _spelt_fields(proposed.DESCRIPTOR):
        name = each.name
        before, after = getattr(stored, name), getattr(proposed, name)
        if each.is_repeated:
            if before != after:
                for old, new in _pairs(each.field, before, after):
                    _keep_child(old, new)
        elif not each.is_message:
            if not before and not after:
                _keep_presence(stored, proposed, each)
        elif stored.HasField(name) and proposed.HasField(name):
            _keep_child(before, after)
        elif each.is_absent_when_empty:
            _keep_presence(stored, proposed, each)


@dataclass(frozen=True, slots=True)
class _SpeltField:
    """A field that may have several spellings; it saves asking the slow descriptor each time."""

    field: Field
    name: str
    is_repeated: bool
    is_message: bool
    is_absent_when_empty: bool


@cache
def _spelt_fields(descriptor: Descriptor) -> tuple[_SpeltField, ...]:
    found = []
    for field in descriptor.fields:
        is_message = field.message_type is not None
        if is_message or (not field.is_repeated and _is_plain(field)):
            absent = is_message and _is_absent_when_empty(field)
            found.append(_SpeltField(field, field.name, field.is_repeated, is_message, absent))
    return tuple(found)


def _keep_child(old: Any, new: Any) -> None:
    if old == new:
        return
    if not isinstance(new, _VALUES):
        keep_spelling(old, new)
    elif _respelt(old) == _respelt(new):
        new.CopyFrom(old)


def _keep_presence(stored: Message, proposed: Message, each: _SpeltField) -> None:
    """Make an empty field of ``proposed`` present or absent, as it is in ``stored``."""
    name = each.name
    is_stored = stored.HasField(name)
    if is_stored == proposed.HasField(name):
        return
    before = getattr(stored, name)
    if not each.is_message:
        if is_stored:
            setattr(proposed, name, before)
        else:
            proposed.ClearField(name)
    elif _says_nothing(before) and _says_nothing(getattr(proposed, name)):
        if is_stored:
            getattr(proposed, name).CopyFrom(before)
        else:
            proposed.ClearField(name)


def _pairs(field: Field, before: Any, after: Any) -> Iterator[tuple[Message, Message]]:
    """Pair map entries by key, named elements by name, and others by position."""
    if _is_map(field):
        if field.message_type.fields_by_name["value"].message_type is not None:
            yield from ((before[key], after[key]) for key in after if key in before)
    elif "name" in field.message_type.fields_by_name:
        named = {element.name: element for element in before}
        yield from ((named[element.name], element) for element in after if element.name in named)
    elif len(before) == len(after):
        yield from zip(before, after, strict=True)


_VALUES = (meta_pb2.Quantity, meta_pb2.IntOrString, meta_pb2.Time, meta_pb2.MicroTime)


def _respell_value(message: Message) -> bool:
    """Respell a message that is a single value; return whether it is one."""
    match message:
        case meta_pb2.Quantity():
            try:
                message.string = f"{quantities.nano(message)}n"
            except quantities.InvalidQuantityError:
                return True  # An invalid text equals only itself.
        case meta_pb2.IntOrString() if message.type == 1:
            digits = message.str_val.removesuffix("%")
            message.ClearField("int_val")
            if digits != message.str_val and _is_number(digits):
                message.str_val = f"{int(digits)}%"
        case meta_pb2.IntOrString():
            message.ClearField("str_val")
            message.type, message.int_val = message.type, message.int_val
        case meta_pb2.Time() | meta_pb2.MicroTime():
            message.seconds, message.nanos = message.seconds, message.nanos
        case _:
            return False
    return True


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= _PERCENT_DIGITS_MAX


def _respelt(message: Message) -> Message:
    copy = type(message)()
    copy.CopyFrom(message)
    respell(copy)
    return copy


def _says_nothing(message: Message) -> bool:
    return not _respelt(message).ListFields()


def _is_plain(field: Field) -> bool:
    return bool(field.type == FieldDescriptor.TYPE_STRING) or field.name in _PLAIN


def _is_absent_when_empty(field: Field) -> bool:
    return not field.is_repeated and str(field.message_type.name) in _CONTAINERS_OF_FIELDS


def _is_map(field: Field) -> bool:
    return bool(field.message_type.GetOptions().map_entry)


def _children(field: Field, value: Any) -> Sequence[Message]:
    if not field.is_repeated:
        return (value,)
    if not _is_map(field):
        return tuple(value)
    if field.message_type.fields_by_name["value"].message_type is None:
        return ()
    return tuple(value[key] for key in value)
