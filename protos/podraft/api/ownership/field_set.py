"""Sets of fields, as tries over the elements of their paths.

Owns: the operations on sets, and their published JSON form.  A path element is ``f:name`` (a
field, or a key of a map), ``k:{"name":"x"}`` (the element of a list with these keys), ``v:"x"`` (a
value of a set) or ``i:0`` (a place in a list).

Invariants: sets are never changed once made; no node below the root is empty, so that two sets
hold the same fields exactly if they are equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

_SELF: Final = "."
_DEPTH_MAX: Final = 64


class FieldSet:
    """A set of fields at and below one place; ``is_member``: the place itself is in it."""

    __slots__ = ("children", "is_member")

    def __init__(
        self, children: Mapping[str, FieldSet] | None = None, *, is_member: bool = False
    ) -> None:
        self.children: Mapping[str, FieldSet] = children if children is not None else {}
        self.is_member = is_member

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FieldSet):
            return NotImplemented
        return self.is_member == other.is_member and self.children == other.children

    __hash__ = None  # type: ignore[assignment]  # compared, never looked up

    def __bool__(self) -> bool:
        return self.is_member or bool(self.children)

    def __repr__(self) -> str:
        return f"FieldSet({json.dumps(to_json(self), sort_keys=True)})"

    @property
    def is_whole(self) -> bool:
        """Whether the set is the place itself, as one value."""
        return self.is_member and not self.children

    def at(self, element: str) -> FieldSet:
        """Return the part of the set at and below an element; empty if there is none."""
        return self.children.get(element, EMPTY)

    def __or__(self, other: FieldSet) -> FieldSet:
        if not other:
            return self
        if not self:
            return other
        children = dict(self.children)
        for element, theirs in other.children.items():
            mine = children.get(element)
            children[element] = theirs if mine is None else mine | theirs
        return FieldSet(children, is_member=self.is_member or other.is_member)

    def __sub__(self, other: FieldSet) -> FieldSet:
        if not other or not self:
            return self
        children = {}
        for element, mine in self.children.items():
            theirs = other.children.get(element)
            left = mine if theirs is None else mine - theirs
            if left:
                children[element] = left
        return FieldSet(children, is_member=self.is_member and not other.is_member)

    def __and__(self, other: FieldSet) -> FieldSet:
        children = {}
        for element, mine in self.children.items():
            theirs = other.children.get(element)
            both = EMPTY if theirs is None else mine & theirs
            if both:
                children[element] = both
        return FieldSet(children, is_member=self.is_member and other.is_member)

    def touched_by(self, written: FieldSet) -> FieldSet:
        """Return the fields of this set whose values lie in, or contain, those of ``written``.

        A place in ``written`` without parts stands for its whole value.
        """
        if not self or not written or written.is_whole:
            return self if written else EMPTY
        if self.is_whole:
            return self
        children = {}
        for element, mine in self.children.items():
            theirs = written.children.get(element)
            if theirs is not None and (touched := mine.touched_by(theirs)):
                children[element] = touched
        return FieldSet(children, is_member=self.is_member and written.is_member)

    def paths(self) -> Iterator[tuple[str, ...]]:
        """Yield the path of every member."""
        if self.is_member:
            yield ()
        for element, child in self.children.items():
            for path in child.paths():
                yield (element, *path)


EMPTY: Final = FieldSet()
WHOLE: Final = FieldSet(is_member=True)


def to_json(fields: FieldSet) -> dict[str, Any]:
    """Return the published form: an object per place; ``.`` marks a member that has parts."""
    result: dict[str, Any] = {_SELF: {}} if fields.is_member and fields.children else {}
    for element, child in fields.children.items():
        result[element] = to_json(child)
    return result


def encode(fields: FieldSet) -> bytes:
    """Return the published form as text; equal sets have equal texts."""
    return json.dumps(
        to_json(fields), ensure_ascii=False, separators=(",", ":"), sort_keys=True
    ).encode(errors="replace")


def decode(data: bytes) -> FieldSet:
    """Return the set that a text in the published form describes; empty if it is none."""
    try:
        value = json.loads(data or b"{}")
        return _read(value, 0) if value else EMPTY
    except (ValueError, RecursionError):
        return EMPTY


def _read(value: Any, depth: int) -> FieldSet:
    if not isinstance(value, dict) or depth > _DEPTH_MAX:
        raise ValueError("not the form of a set of fields")
    children = {key: _read(child, depth + 1) for key, child in value.items() if key != _SELF}
    return FieldSet(children, is_member=not children or _SELF in value)
