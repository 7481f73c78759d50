"""Merging an applied configuration into an object, and removing what it no longer states.

Owns: both changes of a message, part by part.

Invariants: only the given copy is changed; a value that is stated as it is keeps its spelling;
merging the same configuration again changes nothing, the order of elements included.
"""

from __future__ import annotations

from typing import Any

from podraft.api.codec.merging import in_order
from podraft.api.ownership.contents import same_value
from podraft.api.ownership.field_set import FieldSet
from podraft.api.ownership.parts import Part, Way, elements_of, parts_of


def merge(target: Any, stated: Any) -> None:
    """Set, in ``target``, every field that ``stated`` sets."""
    for part in parts_of(target.DESCRIPTOR).values():
        if part.is_in(stated):
            holder = target
            for attribute in part.within:
                holder = getattr(holder, attribute)
                holder.SetInParent()
            _merge_part(part, holder, getattr(part.holder(stated), part.attribute))


def _merge_part(part: Part, holder: Any, stated: Any) -> None:
    current = getattr(holder, part.attribute)
    match part.way:
        case Way.MESSAGE:
            current.SetInParent()
            merge(current, stated)
        case Way.MAP:
            for key in stated:
                if _has_messages(current):
                    current[key].CopyFrom(stated[key])
                else:
                    current[key] = stated[key]
        case Way.ELEMENTS | Way.SET:
            _merge_elements(part, current, stated)
        case Way.VALUE:
            if not (part.is_set(holder) and same_value(part, current, stated)):
                _replace(part, holder, stated)


def _has_messages(entries: Any) -> bool:
    """Return whether a map's values are messages."""
    return hasattr(entries, "get_or_create")


def _replace(part: Part, holder: Any, value: Any) -> None:
    if part.is_repeated:
        holder.ClearField(part.attribute)
        getattr(holder, part.attribute).extend(value)
    elif part.is_message:
        getattr(holder, part.attribute).CopyFrom(value)
    else:
        setattr(holder, part.attribute, value)


def _merge_elements(part: Part, current: Any, stated: Any) -> None:
    here, mine = elements_of(part, current), elements_of(part, stated)
    if here is None or mine is None:
        if list(current) != list(stated):
            del current[:]
            current.extend(stated)
        return
    merged = {element: _merged_element(part, here.get(element), mine[element]) for element in mine}
    order = [merged.get(element, here.get(element)) for element in in_order(here, mine)]
    result = [_copy(one) for one in order]
    if result != list(current):
        del current[:]
        current.extend(result)


def _copy(element: Any) -> Any:
    if not hasattr(element, "DESCRIPTOR"):
        return element
    copy = type(element)()
    copy.CopyFrom(element)
    return copy


def _merged_element(part: Part, here: Any, stated: Any) -> Any:
    if here is None or part.way is Way.SET:
        return stated
    merged = _copy(here)
    if part.one_of:
        _keep_stated(part, merged, stated)
    merge(merged, stated)
    return merged


def _keep_stated(part: Part, merged: Any, stated: Any) -> None:
    """Remove what an element holds in place of the one thing that is stated, if one is."""
    keys = {key.attribute for key in part.keys}
    parts = [one for one in parts_of(merged.DESCRIPTOR).values() if one.attribute not in keys]
    if any(one.is_in(stated) for one in parts):
        for one in parts:
            if one.is_in(merged) and not one.is_in(stated):
                _clear(one, merged)


def prune(target: Any, before: FieldSet, now: FieldSet, others: FieldSet) -> None:
    """Remove, from ``target``, what was stated ``before`` and is not ``now``, unless others own it.

    A field that is no longer stated goes with all that defaulting added to it, as that makes no
    sense by itself.  Maps and lists of elements have many writers: only what was stated goes.
    """
    parts = parts_of(target.DESCRIPTOR)
    for element, mine in before.children.items():
        part = parts.get(element)
        if part is None or part.way is not Way.MESSAGE or not part.is_in(target):
            continue
        # Metadata, spec and status are no values, but what has many writers.
        value = getattr(part.holder(target), part.attribute)
        _prune_fields(value, mine, now.at(element), others.at(element), frozenset())
        if not (now.at(element) or value.ListFields()):
            _clear(part, target)
    rest = {e: mine for e, mine in before.children.items() if _is_value(parts.get(e))}
    _prune_fields(target, FieldSet(rest), now, others, frozenset())


def _is_value(part: Part | None) -> bool:
    return part is not None and part.way is not Way.MESSAGE


def _prune_fields(
    target: Any, before: FieldSet, now: FieldSet, others: FieldSet, kept: frozenset[str]
) -> None:
    parts = parts_of(target.DESCRIPTOR)
    for element, mine in before.children.items():
        part = parts.get(element)
        if part is None or part.attribute in kept or not part.is_in(target):
            continue
        still, theirs = now.at(element), others.at(element)
        is_shared = part.way in (Way.MAP, Way.ELEMENTS, Way.SET) and not mine.is_whole
        if not still and not theirs and not is_shared:
            _clear(part, target)
        elif mine.children:
            _prune_part(part, part.holder(target), mine, still, theirs)


def _clear(part: Part, message: Any) -> None:
    part.holder(message).ClearField(part.attribute)
    for depth in range(len(part.within), 0, -1):
        above = message
        for attribute in part.within[: depth - 1]:
            above = getattr(above, attribute)
        if not getattr(above, part.within[depth - 1]).ListFields():
            above.ClearField(part.within[depth - 1])


def _prune_part(part: Part, holder: Any, mine: FieldSet, still: FieldSet, theirs: FieldSet) -> None:
    value = getattr(holder, part.attribute)
    match part.way:
        case Way.MESSAGE:
            _prune_fields(value, mine, still, theirs, frozenset())
        case Way.MAP:
            for key in list(value):
                if _is_gone(f"f:{key}", mine, still, theirs):
                    del value[key]
        case Way.ELEMENTS | Way.SET:
            _prune_elements(part, value, mine, still, theirs)
        case Way.VALUE:
            pass


def _is_gone(element: str, mine: FieldSet, still: FieldSet, theirs: FieldSet) -> bool:
    return bool(mine.at(element)) and not still.at(element) and not theirs.at(element)


def _prune_elements(
    part: Part, value: Any, mine: FieldSet, still: FieldSet, theirs: FieldSet
) -> None:
    found = elements_of(part, value)
    if found is None:
        return
    keys = frozenset(key.attribute for key in part.keys)
    left = []
    for element, one in found.items():
        if _is_gone(element, mine, still, theirs):
            continue
        if part.way is Way.ELEMENTS and (stated := mine.at(element)):
            _prune_fields(one, stated, still.at(element), theirs.at(element), keys)
        left.append(one)
    if len(left) != len(found):
        kept = [_copy(one) for one in left]
        del value[:]
        value.extend(kept)
