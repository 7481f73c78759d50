"""A patch on a stored object, whose other parts need not be valid.

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
from podraft.api.codec import json_text
from podraft.api.codec.forms import form_of
from podraft.api.codec.json_patches import json_patch
from podraft.api.codec.merge_patches import create_merge_patch, merge_patch
from podraft.api.codec.read import VALUES_MAX
from podraft.api.codec.strategic_patches import strategic_merge_patch
from podraft.api.codec.values import SPECIAL
from podraft.api.codec.write import is_inline
from podraft.api.meta.v1 import options_pb2
from podraft.api.meta.v1.requests_pb2 import PatchRequest
from podraft.api.violations import InvalidObjectError

MessageT = TypeVar("MessageT", bound=Message)


def changes_of(stored: Any, request: PatchRequest) -> dict[str, Any]:
    """Return the merge patch that does to ``stored`` what a request's patch, of any form, does.

    Raises:
        InvalidObjectError: The patch is malformed, or cannot be applied.

    """
    match request.WhichOneof("patch"):
        case "merge_patch":
            return codec.decode_json(request.merge_patch)
        case "strategic_merge_patch":
            patch = codec.decode_json(request.strategic_merge_patch)
            document = codec.to_json(stored)
            changed = strategic_merge_patch(document, patch, stored.DESCRIPTOR)
        case "json_patch":
            document = codec.to_json(stored)
            changed = json_patch(document, json_text.decode(request.json_patch))
        case _:
            raise InvalidObjectError.of(
                "mergePatch", "is required, or strategicMergePatch, or jsonPatch"
            )
    return create_merge_patch(document, changed)


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
        and form_of(field.message_type) == options_pb2.JSON_OBJECT
    )
