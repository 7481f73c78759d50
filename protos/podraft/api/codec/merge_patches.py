"""JSON merge patches (RFC 7386): applying one, making one.

Owns: both functions on plain JSON values.  None of them changes its
arguments; results may share parts with them.

Invariant: nesting is bounded by ``DEPTH_MAX``, so a hostile patch cannot
exhaust the stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podraft.api.violations import InvalidObjectError

DEPTH_MAX = 64


def merge_patch(target: Any, patch: Any) -> Any:
    """Return ``target`` with ``patch`` applied: null removes, objects merge, all else replaces.

    Raises:
        InvalidObjectError: The patch is nested deeper than ``DEPTH_MAX``.

    """
    return _merge(target, patch, 0)


def _merge(target: Any, patch: Any, depth: int) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    _check_depth(depth)
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value, depth + 1)
    return result


def create_merge_patch(original: Mapping[str, Any], modified: Mapping[str, Any]) -> dict[str, Any]:
    """Return the smallest patch that turns ``original`` into ``modified``; empty if they are equal.

    Raises:
        InvalidObjectError: The objects are nested deeper than ``DEPTH_MAX``.

    """
    return _difference(original, modified, 0)


def _difference(
    original: Mapping[str, Any], modified: Mapping[str, Any], depth: int
) -> dict[str, Any]:
    _check_depth(depth)
    patch: dict[str, Any] = {key: None for key in original if key not in modified}
    for key, value in modified.items():
        if key not in original:
            patch[key] = value
            continue
        before = original[key]
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := _difference(before, value, depth + 1):
                patch[key] = inner
        elif not _same(before, value, depth + 1):
            patch[key] = value
    return patch


def same_value(first: Any, second: Any) -> bool:
    """Return whether two JSON values are equal; unlike in Python, true is not 1.

    Raises:
        InvalidObjectError: The values are nested deeper than ``DEPTH_MAX``.

    """
    return _same(first, second, 0)


def _same(first: Any, second: Any, depth: int) -> bool:
    """Return whether two JSON values are equal; unlike in Python, true is not 1."""
    if isinstance(first, str):
        return bool(first == second)
    _check_depth(depth)
    if isinstance(first, bool) is not isinstance(second, bool):
        return False
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(
            _same(one, other, depth + 1) for one, other in zip(first, second, strict=True)
        )
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(
            _same(first[key], second[key], depth + 1) for key in first
        )
    return bool(first == second)


def _check_depth(depth: int) -> None:
    if depth > DEPTH_MAX:
        raise InvalidObjectError.of("", f"nested deeper than {DEPTH_MAX} objects")
