"""Merging rules for the values of a field, as the contract's options state them.

Owns: reading those options (``api/meta/v1/options.proto``) from descriptors: by which keys the
elements of a list are told apart, which fields are maps, whether an element holds one of several.

Invariant: pure; no field is known here by its name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias, TypeVar, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from podraft.api.codec.forms import form_of
from podraft.api.codec.write import is_inline
from podraft.api.meta.v1 import options_pb2

# A JSON value's field in the contract; None: it has none, or is in a map.
Place: TypeAlias = FieldDescriptor | None
KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class ListKeys:
    """The key that tells a list's elements apart.

    ``fields`` are the key's fields, each with its default value; a set has none, as its
    elements are their own keys.
    """

    fields: tuple[tuple[str, str | None], ...]
    one_of: bool

    @property
    def names(self) -> frozenset[str]:
        """The names of the key's fields."""
        return frozenset(name for name, _ in self.fields)


def below(place: Descriptor | Place, name: str) -> Place:
    """Return the field that a JSON name means in a message, or in a field of message type."""
    if isinstance(place, FieldDescriptor):
        place = None if is_map(place) else place.message_type
    if place is None or form_of(place) != options_pb2.JSON_OBJECT:
        return None
    return _fields(place).get(name)


def is_map(place: Place) -> bool:
    """Return whether a field is a map, whose keys several writers fill."""
    message = place.message_type if place is not None else None
    return message is not None and bool(message.GetOptions().map_entry)


@cache
def list_keys(place: Place) -> ListKeys | None:
    """Return the key that tells a list's elements apart; None if the list is a single value."""
    if place is None:
        return None
    merge: options_pb2.Merge = place.GetOptions().Extensions[cast("Any", options_pb2.merge)]
    match merge.list:
        case options_pb2.LIST_SET:
            return ListKeys((), one_of=False)
        case options_pb2.LIST_MAP:
            fields = tuple((name, _default(below(place, name))) for name in merge.keys)
            retains = options_pb2.PATCH_RETAIN_KEYS in merge.patch
            return ListKeys(fields, one_of=merge.one_of or retains)
        case _:
            return None


def is_merged_list(place: Place) -> bool:
    """Return whether a strategic merge patch merges a list, rather than replacing it."""
    if place is None or not place.is_repeated or is_map(place):
        return False
    merge: options_pb2.Merge = place.GetOptions().Extensions[cast("Any", options_pb2.merge)]
    return options_pb2.PATCH_MERGE in merge.patch


def patch_key(place: Place) -> str | None:
    """Return the field by which a strategic merge patch finds elements; None: they are values."""
    if place is None or place.message_type is None:
        return None
    merge: options_pb2.Merge = place.GetOptions().Extensions[cast("Any", options_pb2.merge)]
    return merge.patch_key or next(iter(merge.keys), None)


def in_order(here: Iterable[KeyT], mine: Iterable[KeyT]) -> list[KeyT]:
    """Return the keys of both: mine in their order, the others where they stood before mine."""
    places = {key: place for place, key in enumerate(here)}
    stated = dict.fromkeys(mine)
    others = deque(key for key in places if key not in stated)
    result: list[KeyT] = []
    for key in stated:
        place = places.get(key, -1)
        while others and places[others[0]] < place:
            result.append(others.popleft())
        result.append(key)
    return [*result, *others]


def _default(place: Place) -> str | None:
    if place is None:
        return None
    return place.GetOptions().Extensions[cast("Any", options_pb2.default_value)] or None


@cache
def _fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Return a message's fields by their JSON names, including those of embedded messages."""
    result: dict[str, FieldDescriptor] = {}
    for field in descriptor.fields:
        if is_inline(field):
            result.update(_fields(field.message_type))
        else:
            result[field.json_name] = field
    return result
