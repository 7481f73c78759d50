"""The note that ``apply`` leaves in an object: the applied fields' names, never their values.

Pure.  The next ``apply`` removes what the note names and the manifest no longer contains.  kubectl
keeps the whole manifest in an annotation instead, so it has no room for a manifest above 256 KiB
and shows a Secret's values to everybody who may read annotations.  A note by kubectl, or by an
earlier podraft, is understood until the next ``apply`` replaces it.

Invariant: reading never fails; a note that makes no sense counts as empty.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor

from podraft.api.codec import merging
from podraft.api.objects.well_known import APPLIED_FIELDS, KUBECTL_LAST_APPLIED

# Annotations may have 256 KiB in sum, and the author needs room for others.
NOTE_BYTES_MAX = 192 * 1024
_PLAIN_MAX = 4096
_READ_MAX = 16 << 20
_COMPRESSED = "zlib:"
_TYPE_META = ("apiVersion", "kind")
# The placeholder for a value.
_SAID = 1


class NoteTooLargeError(Exception):
    """The field names do not fit into a note."""


def note_of(value: Mapping[str, Any], message: Descriptor) -> str:
    """Return the note for an object of a message type, in canonical JSON.

    Raises:
        NoteTooLargeError: The field names are too many or too long.
    """
    text = json.dumps(fields_of(value, message), sort_keys=True, separators=(",", ":"))
    if len(text) <= _PLAIN_MAX:
        return text
    note = _COMPRESSED + base64.b64encode(zlib.compress(text.encode())).decode("ascii")
    if len(note) > NOTE_BYTES_MAX:
        raise NoteTooLargeError
    return note


def fields_of(value: Mapping[str, Any], message: Descriptor) -> dict[str, Any]:
    """Return an object with 1 in place of each value; list elements keep their keys."""
    return {
        key: _shape(item, merging.below(message, key))
        for key, item in value.items()
        if key not in _TYPE_META
    }


def _shape(value: Any, place: merging.Place) -> Any:
    if isinstance(value, dict):
        return {key: _shape(item, merging.below(place, key)) for key, item in value.items()}
    keys = merging.list_keys(place) if isinstance(value, list) else None
    if keys is None or keys.index(value) is None:
        return _SAID
    return [_element_shape(element, keys, place) for element in value]


def _element_shape(element: Any, keys: merging.ListKeys, place: merging.Place) -> Any:
    if not keys.fields:
        return element
    return {
        key: item if key in keys.names else _shape(item, merging.below(place, key))
        for key, item in element.items()
    }


def noted(annotations: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields that were applied last, as ``fields_of`` or kubectl describes them."""
    text = annotations.get(APPLIED_FIELDS)
    if text is None:
        text = annotations.get(KUBECTL_LAST_APPLIED, "{}")
    try:
        value = json.loads(_unpacked(text))
    except (ValueError, RecursionError, zlib.error):
        return {}  # Someone edited it.
    return value if isinstance(value, dict) else {}


def _unpacked(text: str) -> str | bytes:
    if not text.startswith(_COMPRESSED):
        return text
    data = base64.b64decode(text.removeprefix(_COMPRESSED), validate=True)
    unpacker = zlib.decompressobj()
    unpacked = unpacker.decompress(data, _READ_MAX)
    if not unpacker.eof:
        raise ValueError("longer than any note")
    return unpacked
