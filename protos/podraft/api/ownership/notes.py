"""The fields that an earlier ``apply`` noted in an object's annotations.

Owns: reading both notes: kubectl's, which holds the whole manifest, and the one that podraft's
command left before the server knew owners, which holds 1 in place of each value.  Nobody writes
the latter any more.

Invariant: reading never fails; a note that makes no sense counts as empty.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor

from podraft.api.codec import merging
from podraft.api.objects.well_known import APPLIED_FIELDS, KUBECTL_LAST_APPLIED
from podraft.api.ownership.field_set import EMPTY, WHOLE, FieldSet
from podraft.api.ownership.parts import Part, Way, key_element, parts_of, value_element

_READ_MAX: Final = 16 << 20
_COMPRESSED: Final = "zlib:"
_DEPTH_MAX: Final = 64


def noted(annotations: Mapping[str, str], message: Descriptor) -> FieldSet:
    """Return the fields that were applied last to an object of a message type."""
    text = annotations.get(APPLIED_FIELDS) or annotations.get(KUBECTL_LAST_APPLIED)
    if not text:
        return EMPTY
    try:
        value = json.loads(_unpacked(text))
        return _fields(value, message, 0) if isinstance(value, dict) else EMPTY
    except (ValueError, RecursionError, zlib.error):
        return EMPTY  # Someone edited it.


def _unpacked(text: str) -> str | bytes:
    if not text.startswith(_COMPRESSED):
        return text
    data = base64.b64decode(text.removeprefix(_COMPRESSED), validate=True)
    unpacker = zlib.decompressobj()
    unpacked = unpacker.decompress(data, _READ_MAX)
    if not unpacker.eof:
        raise ValueError("longer than any note")
    return unpacked


def _fields(value: Mapping[str, Any], message: Descriptor, depth: int) -> FieldSet:
    if depth > _DEPTH_MAX:
        raise ValueError("nested deeper than any object")
    parts = parts_of(message)
    children = {}
    for name, item in value.items():
        part = parts.get(f"f:{name}")
        place = merging.below(message, name)
        if part is not None and place is not None:
            children[part.element] = _part_fields(part, place.message_type, item, depth)
    return FieldSet(children, is_member=not children)


def _part_fields(part: Part, message: Descriptor | None, value: Any, depth: int) -> FieldSet:
    match part.way:
        case Way.MESSAGE if isinstance(value, dict) and message is not None:
            return _fields(value, message, depth + 1)
        case Way.MAP if isinstance(value, dict):
            return FieldSet({f"f:{key}": WHOLE for key in value}, is_member=not value)
        case Way.SET if isinstance(value, list):
            values = [one for one in value if isinstance(one, str | int)]
            return FieldSet({value_element(one): WHOLE for one in values}, is_member=not values)
        case Way.ELEMENTS if isinstance(value, list) and message is not None:
            return _elements(part, message, value, depth)
        case _:
            return WHOLE


def _elements(part: Part, message: Descriptor, value: list[Any], depth: int) -> FieldSet:
    children = {}
    for one in value:
        if not isinstance(one, dict) or part.keys[0].json_name not in one:
            return WHOLE  # One value, as its elements cannot be told apart.
        keys = {key.json_name: one.get(key.json_name, key.default) for key in part.keys}
        element = key_element({name: key for name, key in keys.items() if key is not None})
        if element in children:
            return WHOLE
        fields = _fields(one, message, depth + 1)
        children[element] = FieldSet(fields.children, is_member=True)
    return FieldSet(children, is_member=not children)
