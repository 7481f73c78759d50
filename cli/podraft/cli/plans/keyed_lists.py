"""Lists whose elements have a key: which they are, and their elements by it.  Pure.

kubectl merges these element by element; every other list is one value.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeAlias

# The fields that are an element's key, each with the value that leaving it out means.
KeyFields: TypeAlias = tuple[tuple[str, Any], ...]

_ELEMENT_KEYS: dict[str, KeyFields] = {
    "containers": (("name", None),),
    "initContainers": (("name", None),),
    "volumes": (("name", None),),
    "env": (("name", None),),
    "volumeMounts": (("mountPath", None),),
    "taints": (("key", None), ("effect", None)),
}
_PORT_KEYS: dict[str, KeyFields] = {
    "containers": (("containerPort", None), ("protocol", "TCP")),
    "initContainers": (("containerPort", None), ("protocol", "TCP")),
    "spec": (("port", None), ("protocol", "TCP")),
}


def key_fields(name: str, parent: str) -> KeyFields:
    """Return the key of the elements of the list ``name``, a field of ``parent``; empty: none."""
    return _PORT_KEYS.get(parent, ()) if name == "ports" else _ELEMENT_KEYS.get(name, ())


def by_key(elements: Sequence[Any], fields: KeyFields) -> dict[Hashable, Mapping[str, Any]] | None:
    """Return the elements by their keys; None when they have none, or share one."""
    result: dict[Hashable, Mapping[str, Any]] = {}
    for element in elements:
        if not fields or not isinstance(element, dict) or fields[0][0] not in element:
            return None
        key = tuple([str(element.get(field, default)) for field, default in fields])
        if key in result:
            return None
        result[key] = element
    return result
