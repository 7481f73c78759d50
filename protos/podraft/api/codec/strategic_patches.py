"""Strategic merge patches: merge patches that know by which key a list's elements are told apart.

Owns: what such a patch makes of a JSON object, and its directives: ``$patch``, ``$retainKeys``,
``$deleteFromPrimitiveList/<field>`` and ``$setElementOrder/<field>``.  The contract's options say
which lists are merged, and by what.

Invariants: no argument is changed; nothing that begins with ``$`` is left in a result; nesting is
bounded by ``DEPTH_MAX``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf.descriptor import Descriptor

from podraft.api.codec import merging
from podraft.api.codec.merge_patches import DEPTH_MAX
from podraft.api.codec.merging import Place
from podraft.api.codec.values import described
from podraft.api.violations import InvalidObjectError, shown

_PATCH: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_DELETE: Final = "$deleteFromPrimitiveList/"
_ORDER: Final = "$setElementOrder/"


def strategic_merge_patch(
    target: Mapping[str, Any], patch: Mapping[str, Any], message: Descriptor
) -> dict[str, Any]:
    """Return an object of a message type with a strategic merge patch applied.

    Raises:
        InvalidObjectError: The patch is malformed, or nested deeper than ``DEPTH_MAX``.

    """
    return _object(target, patch, message, "", 0)


def _object(
    target: Mapping[str, Any],
    patch: Mapping[str, Any],
    place: Descriptor | Place,
    path: str,
    depth: int,
) -> dict[str, Any]:
    if depth > DEPTH_MAX:
        raise InvalidObjectError.of(path, f"nested deeper than {DEPTH_MAX} objects")
    match patch.get(_PATCH, "merge"):
        case "merge":
            result = _retained(target, patch, path)
        case "replace" | "delete":
            result = {}
        case other:
            raise InvalidObjectError.of(
                _join(path, _PATCH), f"expected delete, replace or merge, got {described(other)}"
            )
    if patch.get(_PATCH) == "delete":
        return result
    for key, value in patch.items():
        if not key.startswith("$"):
            inner = _join(path, key)
            merged = _value(result.get(key), value, merging.below(place, key), inner, depth + 1)
            if merged is None:
                result.pop(key, None)
            else:
                result[key] = merged
    for key, value in patch.items():
        if key.startswith("$"):
            _follow(result, key, value, place, path)
    return result


def _retained(target: Mapping[str, Any], patch: Mapping[str, Any], path: str) -> dict[str, Any]:
    if _RETAIN not in patch:
        return dict(target)
    kept = _list(patch[_RETAIN], _join(path, _RETAIN))
    for key in patch:
        if not key.startswith("$") and patch[key] is not None and key not in kept:
            raise InvalidObjectError.of(_join(path, key), f"is set, but not one of {_RETAIN}")
    return {key: value for key, value in target.items() if key in kept}


def _value(target: Any, patch: Any, place: Place, path: str, depth: int) -> Any:
    if isinstance(patch, Mapping):
        return _object(target if isinstance(target, Mapping) else {}, patch, place, path, depth)
    if not isinstance(patch, list):
        return patch
    if not merging.is_merged_list(place):
        return [_plain(one, f"{path}[{index}]", depth) for index, one in enumerate(patch)]
    present = target if isinstance(target, list) else []
    key = merging.patch_key(place)
    if key is None:
        return _union(present, patch, path)
    return _elements(present, patch, key, place, path, depth)


def _plain(value: Any, path: str, depth: int) -> Any:
    """Return a value that replaces another; directives make no sense in it."""
    if isinstance(value, Mapping):
        for key in value:
            if key.startswith("$"):
                raise InvalidObjectError.of(
                    _join(path, key), "is no directive here: the list is replaced as a whole"
                )
        return _object({}, value, None, path, depth + 1)
    return value


def _union(present: list[Any], patch: list[Any], path: str) -> list[Any]:
    _check_scalars(patch, path)
    known = {_scalar(one) for one in present}
    return [*present, *(one for one in dict.fromkeys(patch) if _scalar(one) not in known)]


def _elements(
    present: list[Any], patch: list[Any], key: str, place: Place, path: str, depth: int
) -> list[Any]:
    """Return a list whose elements are merged by a key; a directive may replace or delete some."""
    stated = [one for one in patch if not _is_replacement(one, key)]
    if len(stated) != len(patch):
        present, patch = [], stated
    result: dict[Any, Any] = {}
    for index, one in enumerate(present):
        # What has no key is not found, and stays.
        found = one.get(key) if isinstance(one, Mapping) else None
        result[index if found is None or _named(found) in result else _named(found)] = one
    for index, one in enumerate(patch):
        at = f"{path}[{index}]"
        if not isinstance(one, Mapping):
            raise InvalidObjectError.of(at, f"expected object, got {described(one)}")
        if (named := one.get(key)) is None or isinstance(named, Mapping | list):
            raise InvalidObjectError.of(_join(at, key), "is required: it tells the elements apart")
        name = _named(named)
        if one.get(_PATCH) == "delete":
            result.pop(name, None)
        else:
            before = _one_of(result.get(name, {}), one, place)
            result[name] = _object(before, one, place, at, depth + 1)
    return list(result.values())


def _named(value: Any) -> tuple[str, Any]:
    return ("key", _scalar(value))


def _is_replacement(element: Any, key: str) -> bool:
    """Return whether an element is no element, but says that the others replace the list."""
    if not isinstance(element, Mapping):
        return False
    return element.get(_PATCH) == "replace" and key not in element


def _one_of(target: Mapping[str, Any], patch: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
    """Return an element without what saying another of several things drops."""
    keys = merging.list_keys(place)
    if keys is None or not keys.one_of or _RETAIN in patch:
        return target
    said = {name for name, value in patch.items() if value is not None and name[:1] != "$"}
    if not said - keys.names:
        return target
    return {name: value for name, value in target.items() if name in said or name in keys.names}


def _follow(
    result: dict[str, Any], directive: str, value: Any, place: Descriptor | Place, path: str
) -> None:
    """Follow, in place, what a directive says of one of an object's lists."""
    at = _join(path, directive)
    if directive in (_PATCH, _RETAIN):
        return
    if directive.startswith(_DELETE):
        name, gone = directive.removeprefix(_DELETE), _list(value, at)
        _check_scalars(gone, at)
        known = {_scalar(one) for one in gone}
        if isinstance(result.get(name), list):
            result[name] = [one for one in result[name] if _scalar(one) not in known]
    elif directive.startswith(_ORDER):
        name, order = directive.removeprefix(_ORDER), _list(value, at)
        if isinstance(result.get(name), list):
            key = merging.patch_key(merging.below(place, name))
            result[name] = _ordered(result[name], order, key)
    else:
        raise InvalidObjectError.of(at, "is no directive of strategic merge patches")


def _ordered(elements: Sequence[Any], order: Sequence[Any], key: str | None) -> list[Any]:
    def name(one: Any) -> Any:
        if key is not None and isinstance(one, Mapping):
            return _scalar(one.get(key))
        return _scalar(one)

    named = {name(one): one for one in elements}
    if len(named) != len(elements):
        return list(elements)  # They cannot be told apart.
    wanted = dict.fromkeys(name(one) for one in order)
    places = merging.in_order(named, [one for one in wanted if one in named])
    return [named[one] for one in places]


def _scalar(value: Any) -> Any:
    """Return a value to look up; unlike in Python, true is not 1."""
    return (type(value).__name__, value if isinstance(value, str | int | float) else repr(value))


def _check_scalars(values: list[Any], path: str) -> None:
    for index, one in enumerate(values):
        if isinstance(one, Mapping | list) or one is None:
            raise InvalidObjectError.of(
                f"{path}[{index}]", f"expected string or number, got {described(one)}"
            )


def _list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidObjectError.of(path, f"expected list, got {described(value)}")
    return value


def _join(path: str, key: str) -> str:
    name = key if len(key) <= 63 else shown(key)
    return f"{path}.{name}" if path else name
