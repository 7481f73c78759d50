"""The differences between two states of an object, field by field.  Pure.

List elements that have a name are compared by name, so that an inserted container does
not make all that follow it look changed.  What the server keeps for itself (revision,
generation) and the notes of ``apply`` are no difference.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from podraft.api import codec, kinds
from podraft.api.codec import spelling
from podraft.api.objects.well_known import APPLY_NOTES

_NAMES: Final = ("name", "key", "type", "uid", "ip", "containerPort", "port", "mountPath")
_ABSENT: Final = object()
_DEPTH_MAX: Final = 64
NOTHING: Final = "(none)"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field's change; a side is None if the field was absent there."""

    path: str
    before: str | None
    after: str | None

    def line(self, width: int = 60) -> str:
        """Return ``path: before → after``, each value cut to ``width`` characters."""
        return f"{self.path}: {cut(self.before, width)} → {cut(self.after, width)}"


def cut(text: str | None, width: int) -> str:
    """Return a value as text for display, of at most ``width`` characters."""
    if text is None:
        return NOTHING
    return text if len(text) <= width else text[: width - 1] + "…"


def content(obj: Any, *, status: bool) -> dict[str, Any]:
    """Return the part of an object that counts as its content; empty for no object."""
    if obj is None:
        return {}
    value = codec.to_json(obj)
    if not status:
        value.pop("status", None)
    metadata = dict(value.get("metadata", {}))
    for field in ("resourceVersion", "generation", "managedFields"):
        metadata.pop(field, None)
    annotations = {k: v for k, v in metadata.get("annotations", {}).items() if k not in APPLY_NOTES}
    metadata["annotations"] = annotations
    if not annotations:
        del metadata["annotations"]
    if kinds.BUILT_IN.of(obj) is kinds.SECRET and "data" in value:
        value["data"] = {key: _hash_text(text) for key, text in value["data"].items()}
    return {**value, "metadata": metadata}


def differences(before: Any, after: Any, *, status: bool) -> list[Difference]:
    """Return the fields that differ between two objects, either of which may be None."""
    after = respelt(before, after)
    return list(_walk("", content(before, status=status), content(after, status=status), 0))


def respelt(before: Any, after: Any) -> Any:
    """Return a copy of ``after`` that spells unchanged values as ``before`` does."""
    if before is None or after is None:
        return after
    copy = type(after)()
    copy.CopyFrom(after)
    spelling.keep_spelling(before, copy)
    return copy


def _walk(path: str, before: Any, after: Any, depth: int) -> Iterator[Difference]:
    if before is not _ABSENT and after is not _ABSENT and _same(before, after):
        return
    if depth < _DEPTH_MAX and isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in (*before, *(key for key in after if key not in before)):
            inner = _join(path, key)
            yield from _walk(inner, before.get(key, _ABSENT), after.get(key, _ABSENT), depth + 1)
        return
    if depth < _DEPTH_MAX and isinstance(before, list) and isinstance(after, list):
        first, second = _by_name(before), _by_name(after)
        if first is not None and second is not None:
            for key in (*first, *(key for key in second if key not in first)):
                one, other = first.get(key, _ABSENT), second.get(key, _ABSENT)
                yield from _walk(f"{path}[{key}]", one, other, depth + 1)
            return
    yield Difference(path, _text(before), _text(after))


def _same(before: Any, after: Any) -> bool:
    return type(before) is type(after) and bool(before == after)


def _join(path: str, key: str) -> str:
    if any(c in key for c in "./[]") and path:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _by_name(elements: Sequence[Any]) -> dict[str, Any] | None:
    """Return elements by their names; None if they are plain values or have no names."""
    if not all(isinstance(element, Mapping) for element in elements):
        return None
    for field in _NAMES:
        keys = [element.get(field) for element in elements]
        if None not in keys and len(set(map(str, keys))) == len(keys):
            return {str(key): element for key, element in zip(keys, elements, strict=True)}
    return None


def _text(value: Any) -> str | None:
    if value is _ABSENT:
        return None
    if isinstance(value, str):
        return value if value and value == value.strip() and value.isprintable() else repr(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _hash_text(encoded: str) -> str:
    """Return the hash that is shown in place of a Secret's value."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    return f"({text})" if text.startswith("hmac-sha256:") else "(value)"
