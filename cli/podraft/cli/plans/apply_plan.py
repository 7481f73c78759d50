"""The plan of `apply`: manifests and live objects in, writes and words out.

Pure.  An absent object is created; an existing one gets the merge patch between what
was applied last (`applied` keeps the names of its fields), what is there now and what
the manifest says.  Lists whose elements have a key are first merged by that key, as
kubectl merges them: what defaulting, or the server, added to a container or a port
is no difference.

Invariants: a field that the manifest no longer contains is removed, and one that
somebody else set stays, whatever their values; applying the same again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from google.protobuf.descriptor import Descriptor

from podraft.api import codec, kinds
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.codec import merging, spelling
from podraft.api.objects.type_fields import drop_forbidden
from podraft.api.objects.well_known import APPLIED_FIELDS, KUBECTL_LAST_APPLIED
from podraft.cli.errors import CliError
from podraft.cli.manifests.items import Item, canonical
from podraft.cli.plans.applied import NOTE_BYTES_MAX, NoteTooLargeError, note_of, noted
from podraft.client.calls import writes

Outcome = Literal["created", "configured", "unchanged"]


@dataclass(frozen=True, slots=True)
class Action:
    """The action on one object; nothing is written for an unchanged one."""

    item: Item
    outcome: Outcome
    write: commit_pb2.Write | None = None


def plan(pairs: Iterable[tuple[Item, Any]]) -> list[Action]:
    """Return what to do for each manifest and its live object (None: it does not exist)."""
    return [_created(item) if live is None else _changed(item, live) for item, live in pairs]


def write_order(actions: Sequence[Action]) -> list[Action]:
    """Return the actions that write, dependencies first (namespaces, then configuration)."""
    order = {kind: index for index, kind in enumerate(kinds.BUILT_IN)}
    writing = [action for action in actions if action.write is not None]
    return sorted(writing, key=lambda action: order[action.item.kind])


def _created(item: Item) -> Action:
    obj = item.kind.message()
    obj.CopyFrom(item.message)
    if item.kind.has_status:
        obj.ClearField("status")
    obj.metadata.annotations[APPLIED_FIELDS] = _note(item)
    return Action(item, "created", writes.create(obj))


def _changed(item: Item, live: Any) -> Action:
    present = item.kind.message()
    present.CopyFrom(live)
    # Fields that the wanted type forbids are neither taken over nor counted as stated already: the
    # server drops them with the old type, and refuses them each time the manifest states them.
    drop_forbidden(item.kind, present, item.message)
    current = codec.to_json(present)
    patch = patch_for(item, current)
    if patch:
        # Something differs, but perhaps only in its spelling.
        wanted = item.kind.message()
        wanted.CopyFrom(item.message)
        spelling.keep_spelling(live, wanted)
        patch = patch_for(item, current, canonical(wanted))
    if not patch:
        return Action(item, "unchanged")
    write = writes.patch(item.kind, item.name, patch, item.namespace, uid=live.metadata.uid)
    return Action(item, "configured", write)


def patch_for(
    item: Item, current: Mapping[str, Any], wanted: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the merge patch that makes a live object match its manifest; empty if it does."""
    said = item.value if wanted is None else wanted
    annotations = current.get("metadata", {}).get("annotations", {})
    last = noted(annotations)
    merged = _merged(last, current, said, item.kind.message.DESCRIPTOR)
    metadata = merged.get("metadata", {})
    note = {APPLIED_FIELDS: _note(item)}
    merged["metadata"] = {**metadata, "annotations": {**metadata.get("annotations", {}), **note}}
    patch = codec.three_way_merge_patch(last, current, merged)
    if KUBECTL_LAST_APPLIED in annotations:
        # podraft's own note replaces it; for a Secret it even holds the values.
        patch.setdefault("metadata", {}).setdefault("annotations", {})[KUBECTL_LAST_APPLIED] = None
    return patch


def _note(item: Item) -> str:
    try:
        return note_of(item.value, item.kind.message.DESCRIPTOR)
    except NoteTooLargeError:
        raise CliError(
            f"{item.at()}: {item.word}: the names of its fields (of a ConfigMap or Secret: the "
            f"keys of its data) are more than the {NOTE_BYTES_MAX >> 10} KiB that apply can note",
            "  use fewer or shorter keys, or several objects",
        ) from None


def _merged(
    last: Any, current: Any, wanted: Any, parent: Descriptor | merging.Place
) -> dict[str, Any]:
    """Return `wanted` with the keyed lists in it completed from `current`."""
    before = last if isinstance(last, dict) else {}
    result = dict(wanted)
    for key, value in {**_emptied(before, current, wanted, parent), **wanted}.items():
        present, place = current.get(key), merging.below(parent, key)
        if isinstance(value, dict) and isinstance(present, dict):
            result[key] = _merged(before.get(key), present, value, place)
        elif isinstance(value, list) and isinstance(present, list):
            completed = _merged_list(before.get(key), present, value, place)
            if completed or key in wanted:
                result[key] = completed
    return result


def _emptied(
    before: Mapping[str, Any],
    current: Mapping[str, Any],
    wanted: Mapping[str, Any],
    parent: Descriptor | merging.Place,
) -> dict[str, Any]:
    """Return, emptied, the fields that are no longer stated but that others have added to."""
    result: dict[str, Any] = {}
    for key, said in before.items():
        present, place = current.get(key), merging.below(parent, key)
        if key in wanted:
            continue
        if merging.is_map(place) and isinstance(said, dict) and isinstance(present, dict):
            if present.keys() - said.keys():
                result[key] = {}
        elif isinstance(said, list) and isinstance(present, list) and merging.list_keys(place):
            result[key] = []
    return result


def _merged_list(last: Any, current: list[Any], wanted: list[Any], place: merging.Place) -> Any:
    keys = merging.list_keys(place)
    if keys is None:
        return wanted
    before = keys.index(last if isinstance(last, list) else [])
    present, mine = keys.index(current), keys.index(wanted)
    if before is None or present is None or mine is None:
        return wanted
    result = []
    for key, element in mine.items():
        here = present.get(key)
        if here is None or not keys.fields:
            result.append(element)
            continue
        if keys.one_of and len(element) > len(keys.fields):
            here = {field: value for field, value in here.items() if field in element}
        applied = before.get(key, {})
        completed = _merged(applied, here, element, place)
        patch = codec.three_way_merge_patch(applied, here, completed)
        result.append(codec.merge_patch(here, patch))
    # What somebody else added stays; what was applied and is no longer declared is removed.
    others = [element for key, element in present.items() if key not in mine and key not in before]
    return result + others
