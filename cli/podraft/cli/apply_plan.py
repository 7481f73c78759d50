"""What `apply` will do: manifests and live objects in, writes and words out.

Pure.  An object that is not there is created; one that is there gets the merge
patch between what was applied last (kept in kubectl's annotation), what is there
now and what the manifest says.  Lists whose elements have a key are merged by
that key first, as kubectl merges them: what defaulting, or the server, added to
a container or a port is no difference.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from podraft.api import codec, kinds
from podraft.api.cluster.v1 import commit_pb2
from podraft.cli.manifests import LAST_APPLIED, Item, last_applied_text
from podraft.client import writes

Outcome = Literal["created", "configured", "unchanged"]

# The keys by which the elements of a list are the same; other lists are one value.
_ELEMENT_KEYS: dict[str, tuple[tuple[str, Any], ...]] = {
    "containers": (("name", None),),
    "initContainers": (("name", None),),
    "volumes": (("name", None),),
    "env": (("name", None),),
    "volumeMounts": (("mountPath", None),),
    "taints": (("key", None), ("effect", None)),
}
_CONTAINER_PORT_KEYS = (("containerPort", None), ("protocol", "TCP"))
_SERVICE_PORT_KEYS = (("port", None), ("protocol", "TCP"))


@dataclass(frozen=True, slots=True)
class Action:
    """What happens to one object; nothing is written for an unchanged one."""

    item: Item
    outcome: Outcome
    write: commit_pb2.Write | None = None


def plan(pairs: Iterable[tuple[Item, Any]]) -> list[Action]:
    """Return what to do for each manifest and its live object (None: it is not there)."""
    return [_created(item) if live is None else _changed(item, live) for item, live in pairs]


def write_order(actions: Sequence[Action]) -> list[Action]:
    """Return the actions that write, what others depend on first (namespaces, then config)."""
    order = {kind: index for index, kind in enumerate(kinds.KINDS)}
    writing = [action for action in actions if action.write is not None]
    return sorted(writing, key=lambda action: order[action.item.kind])


def _created(item: Item) -> Action:
    obj = item.kind.message()
    obj.CopyFrom(item.message)
    if item.kind.has_status:
        obj.ClearField("status")
    obj.metadata.annotations[LAST_APPLIED] = last_applied_text(item.value)
    return Action(item, "created", writes.create(obj))


def _changed(item: Item, live: Any) -> Action:
    patch = patch_for(item, codec.to_json(live))
    if not patch:
        return Action(item, "unchanged")
    write = writes.patch(item.kind, item.name, patch, item.namespace, uid=live.metadata.uid)
    return Action(item, "configured", write)


def patch_for(item: Item, current: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merge patch that brings a live object to its manifest; empty for none."""
    last = _last_applied(current)
    wanted = _merged(last, current, item.value, "")
    wanted["metadata"] = {
        **wanted.get("metadata", {}),
        "annotations": {
            **item.value.get("metadata", {}).get("annotations", {}),
            LAST_APPLIED: last_applied_text(item.value),
        },
    }
    return codec.three_way_merge_patch(last, current, wanted)


def _last_applied(current: Mapping[str, Any]) -> dict[str, Any]:
    text = current.get("metadata", {}).get("annotations", {}).get(LAST_APPLIED, "{}")
    try:
        value = json.loads(text)
    except ValueError:
        return {}  # Someone edited it; then nothing is known of what was applied.
    return value if isinstance(value, dict) else {}


def _merged(last: Any, current: Any, wanted: Any, parent: str) -> Any:
    """Return `wanted` with the keyed lists in it completed from `current`."""
    if not isinstance(wanted, Mapping) or not isinstance(current, Mapping):
        return wanted
    before = last if isinstance(last, Mapping) else {}
    result = dict(wanted)
    for key, value in wanted.items():
        present = current.get(key)
        if isinstance(value, Mapping):
            result[key] = _merged(before.get(key), present, value, key)
        elif isinstance(value, list) and isinstance(present, list):
            result[key] = _merged_list(before.get(key), present, value, key, parent)
    return result


def _merged_list(last: Any, current: list[Any], wanted: list[Any], name: str, parent: str) -> Any:
    fields = _keys_of(name, parent, wanted)
    before = _by_key(last if isinstance(last, list) else [], fields) if fields else {}
    present = _by_key(current, fields) if fields else {}
    mine = _by_key(wanted, fields) if fields else {}
    if before is None or present is None or mine is None or not fields:
        return wanted
    result = []
    for key, element in mine.items():
        here = present.get(key)
        if here is None:
            result.append(element)
            continue
        applied = before.get(key, {})
        completed = _merged(applied, here, element, name)
        patch = codec.three_way_merge_patch(applied, here, completed)
        result.append(codec.merge_patch(here, patch))
    # What somebody else added stays; what was applied and is no longer declared goes.
    others = [element for key, element in present.items() if key not in mine and key not in before]
    return result + others


def _keys_of(name: str, parent: str, wanted: list[Any]) -> tuple[tuple[str, Any], ...]:
    if name != "ports":
        return _ELEMENT_KEYS.get(name, ())
    if any(isinstance(element, Mapping) and "containerPort" in element for element in wanted):
        return _CONTAINER_PORT_KEYS
    return _SERVICE_PORT_KEYS if parent == "spec" else ()


def _by_key(
    elements: list[Any], fields: tuple[tuple[str, Any], ...]
) -> dict[Hashable, Mapping[str, Any]] | None:
    """Return the elements by their keys; None when they have none, or share one."""
    result: dict[Hashable, Mapping[str, Any]] = {}
    for element in elements:
        if not isinstance(element, Mapping):
            return None
        key = tuple(str(element.get(field, default)) for field, default in fields)
        if "None" in key and fields[0][0] not in element:
            return None
        if key in result:
            return None
        result[key] = element
    return result
