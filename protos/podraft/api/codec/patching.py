"""A merge patch on a stored object, whose other parts need not be valid.

Owns: which part of a patched object goes through JSON: only what the patch names.  Whatever an
older version, or a manual edit of the store, left elsewhere in it stays byte for byte, and
prevents neither a controller from adopting the object nor a person from labelling or scaling it.

Invariant: for an object that can be written as JSON and read again, the result equals its JSON
with the patch applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf.message import Message

from podraft.api import codec
from podraft.api.codec.merge_patches import merge_patch
from podraft.api.codec.read import VALUES_MAX
from podraft.api.codec.values import SPECIAL
from podraft.api.codec.write import is_inline

MessageT = TypeVar("MessageT", bound=Message)


def patched(
    stored: MessageT, changes: Mapping[str, Any], *, values_max: int = VALUES_MAX
) -> MessageT:
    """Return ``stored`` with a merge patch applied.

    Raises:
        InvalidObjectError: The patch, or what it names in the object, is invalid or has more than
        ``values_max`` values.

    """
    named, rest = type(stored)(), type(stored)()
    rest.CopyFrom(stored)
    _move_named(rest, named, changes)
    result = codec.parse(
        type(stored), merge_patch(codec.to_json(named), changes), values_max=values_max
    )
    result.MergeFrom(rest)
    return result


def _move_named(rest: Any, named: Any, changes: Mapping[str, Any]) -> None:
    """Move from ``rest`` to ``named`` the values that a patch changes or replaces."""
    for field, value in rest.ListFields():
        if not is_inline(field):
            if field.json_name not in changes:
                continue
            change = changes[field.json_name]
            if isinstance(change, Mapping) and _has_fields(field):
                part = getattr(named, field.name)
                part.SetInParent()
                _move_named(value, part, change)
                continue
        if field.is_repeated:
            getattr(named, field.name).MergeFrom(value)
        elif field.message_type is not None:
            getattr(named, field.name).CopyFrom(value)
        else:
            setattr(named, field.name, value)
        rest.ClearField(field.name)


def _has_fields(field: Any) -> bool:
    """Return whether a field is an object with fields, not a list, a map or a single value."""
    return (
        field.message_type is not None
        and not field.is_repeated
        and field.message_type.full_name not in SPECIAL
    )
