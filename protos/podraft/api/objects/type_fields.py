"""Fields that an object, of any kind, may have only when its type has certain values.

Owns: how they are found and removed, for the server, which drops them with the type that they
belonged to, and for ``apply``, which does not take them over from the live object.  A kind's
entry lists them.

Invariant: a field that a user states is never dropped here; admission refuses it, each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from podraft.api.kinds.kind import AnyKind

_REMEMBERED: Final = 1024


def drop_forbidden(kind: AnyKind, obj: Any, wanted: Any) -> None:
    """Remove from an object, in place, what the type of ``wanted`` forbids."""
    for typed in kind.typed_fields:
        if typed.forbids(_value(wanted, typed.type)):
            _clear(obj, _fields(kind.message.DESCRIPTOR, typed.field))


def drop_unsaid(kind: AnyKind, obj: Any, patch: Mapping[str, Any]) -> None:
    """Remove, in place, what a patched object's type forbids and the patch does not state.

    A list is one value to a merge patch: a patch with the ports states their node ports.
    """
    for typed in kind.typed_fields:
        if typed.forbids(_value(obj, typed.type)):
            fields = _fields(kind.message.DESCRIPTOR, typed.field)
            if not _says(patch, fields):
                _clear(obj, fields)


@lru_cache(maxsize=_REMEMBERED)
def _fields(descriptor: Descriptor, path: str) -> tuple[FieldDescriptor, ...]:
    """Return the fields along a path of JSON names."""
    return tuple(_found(descriptor, path.split(".")))


def _found(descriptor: Descriptor | None, names: Sequence[str]) -> Iterator[FieldDescriptor]:
    for name in names:
        assert descriptor is not None  # A test checks that every entry's paths lead to a field.
        field = next(field for field in descriptor.fields if field.json_name == name)
        yield field
        descriptor = field.message_type


def _value(message: Any, path: str) -> str:
    for field in _fields(message.DESCRIPTOR, path):
        message = getattr(message, field.name)
    return str(message)


def _clear(message: Any, fields: Sequence[FieldDescriptor]) -> None:
    field, *inner = fields
    if not inner:
        message.ClearField(field.name)
    elif field.is_repeated:
        for element in getattr(message, field.name):
            _clear(element, inner)
    elif message.HasField(field.name):
        _clear(getattr(message, field.name), inner)


def _says(patch: Any, fields: Sequence[FieldDescriptor]) -> bool:
    for field in fields:
        if not isinstance(patch, Mapping) or patch.get(field.json_name) is None:
            return False
        if field.is_repeated:
            return True
        patch = patch[field.json_name]
    return True
