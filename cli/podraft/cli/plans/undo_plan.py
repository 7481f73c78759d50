"""Plans that undo a change: pure, from past and present objects to the writes of one commit.

Invariants: only fields that the change touched are set back, so later changes of other
fields stay; a field that was changed again since is a conflict; status is never touched; a
former value of a Secret cannot be restored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from podraft.api import codec, kinds
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.well_known import APPLY_NOTES, KUBECTL_LAST_APPLIED, REVISION
from podraft.cli.command_line.targets import word_of
from podraft.cli.plans.differences import Difference, cut, differences, respelt
from podraft.client.calls import writes
from podraft.client.calls.changes import ObjectChange

# Kinds that controllers write on their own behalf; they follow from the rest.
BOOKKEEPING: Final = frozenset({REVISION})
_OF_THIS_LIFE: Final = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "finalizers",
    "generateName",
    "managedFields",
    "selfLink",
)
_ABSENT: Final = object()


class UndoRefusedError(Exception):
    """The change cannot be undone; the lines say why."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Step:
    """One object's step back; ``write`` is None if the object is already as it was."""

    kind: AnyKind
    namespace: str
    name: str
    outcome: str
    write: commit_pb2.Write | None
    shown: Sequence[Difference] = ()

    @property
    def word(self) -> str:
        """The object as commands name it."""
        return word_of(self.kind, self.name)


def own_content(obj: Any) -> dict[str, Any]:
    """Return the part of an object that users declare: no status, bookkeeping or identity."""
    if obj is None:
        return {}
    value = codec.to_json(obj)
    value.pop("status", None)
    if kinds.BUILT_IN.of(obj) is kinds.POD:
        value.get("spec", {}).pop("nodeName", None)  # Set by the scheduler, not by a user.
    metadata = value.pop("metadata", {})
    kept = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
    if "annotations" in kept:
        kept["annotations"] = {
            key: text for key, text in kept["annotations"].items() if key not in BOOKKEEPING
        }
    return {**value, "metadata": {key: inner for key, inner in kept.items() if inner}}


def is_own_change(before: Any, after: Any) -> bool:
    """Return whether a change goes beyond status and bookkeeping."""
    if before is None or after is None:
        return True
    after = respelt(before, after)
    return _without_applied(own_content(before)) != _without_applied(own_content(after))


def step(
    change: ObjectChange, live: Any, *, owners: Sequence[meta_pb2.OwnerReference], force: bool
) -> Step:
    """Return the step that undoes ``change``, given the live object (None: it is gone).

    ``owners`` are the former object's references to owners that still exist.

    Raises:
        UndoRefusedError: The change cannot be undone, or only with force.
    """
    if change.before is None:
        return _remove(change, live, force=force)
    if live is None:
        if change.after is not None and not force:
            raise UndoRefusedError(f"{_word(change.before)} has been deleted since")
        return _create_again(change, owners)
    if change.after is None:
        if not force:
            raise UndoRefusedError(f"{_word(change.before)} has been created anew since")
        return _patch(change.kind, own_content(live), own_content(change.before), live)
    after, before = own_content(change.after), own_content(change.before)
    back = codec.create_merge_patch(after, before)
    now = own_content(respelt(change.after, live))
    _check_same_secret(change, live, force=force)
    if change.kind is kinds.SECRET:
        # The live values and the past hashes cannot be compared.
        now, after = _hashless(now), _hashless(after)
    back = _narrowed(back, after, now)
    clashes = list(_clashes(back, after, now, ""))
    if clashes and not force:
        lines = [
            f"  {path}: {_short(then)} then, {_short(here)} now" for path, then, here in clashes
        ]
        raise UndoRefusedError(f"{_word(live)} has been changed since:", *lines)
    return _patched(change.kind, back, live)


def _remove(change: ObjectChange, live: Any, *, force: bool) -> Step:
    after, kind = change.after, change.kind
    namespace, name = after.metadata.namespace, after.metadata.name
    if live is None or live.metadata.uid != after.metadata.uid:
        return Step(kind, namespace, name, "gone already", None)
    _check_same_secret(change, live, force=force)
    changed = [] if kind is kinds.SECRET else differences(after, live, status=False)
    changed = [d for d in changed if not any(mark in d.path for mark in BOOKKEEPING)]
    if changed and not force and is_own_change(after, live):
        lines = [f"  {difference.line(40)}" for difference in changed[:10]]
        raise UndoRefusedError(f"{_word(live)} has been changed since it was created:", *lines)
    write = writes.delete(
        kind,
        name,
        namespace,
        uid=live.metadata.uid,
        resource_version=live.metadata.resource_version,
    )
    return Step(kind, namespace, name, "deleted", write)


def _check_same_secret(change: ObjectChange, live: Any, *, force: bool) -> None:
    if change.kind is not kinds.SECRET or force:
        return
    if live.metadata.resource_version != change.after.metadata.resource_version:
        raise UndoRefusedError(f"{_word(live)} has been changed since")


def _create_again(change: ObjectChange, owners: Sequence[meta_pb2.OwnerReference]) -> Step:
    kind, before = change.kind, change.before
    value = codec.to_json(before)
    value.pop("status", None)
    if kind is kinds.SECRET and value.get("data"):
        raise UndoRefusedError(_no_values(before))
    metadata = {k: v for k, v in value["metadata"].items() if k not in _OF_THIS_LIFE}
    named = metadata.pop("ownerReferences", [])
    references = before.metadata.owner_references
    living = [owner for owner, it in zip(named, references, strict=True) if it in owners]
    if living:
        metadata["ownerReferences"] = living
    value["metadata"] = metadata
    if kind is kinds.POD:
        value.get("spec", {}).pop("nodeName", None)
    if kind is kinds.NAMESPACE:
        value.pop("spec", None)
    obj = codec.parse(kind.message, value)
    own = before.metadata
    return Step(kind, own.namespace, own.name, "created again", writes.create(obj))


def _patch(kind: AnyKind, now: Mapping[str, Any], wanted: Mapping[str, Any], live: Any) -> Step:
    return _patched(kind, codec.create_merge_patch(now, wanted), live)


def _patched(kind: AnyKind, back: dict[str, Any], live: Any) -> Step:
    metadata = live.metadata
    if kind is kinds.SECRET and _sets_values(back):
        raise UndoRefusedError(_no_values(live))
    if kind is kinds.SECRET:
        # The old note of what was applied held that time's values, of which only hashes are known.
        back.get("metadata", {}).get("annotations", {}).pop(KUBECTL_LAST_APPLIED, None)
    merged = codec.merge_patch(codec.to_json(live), back)
    shown = differences(live, codec.parse(kind.message, merged), status=False)
    if not back or (not shown and merged == codec.to_json(live)):
        return Step(kind, metadata.namespace, metadata.name, "unchanged", None)
    write = writes.patch(
        kind,
        metadata.name,
        back,
        metadata.namespace,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
    )
    return Step(kind, metadata.namespace, metadata.name, "restored", write, shown)


def _clashes(
    back: Mapping[str, Any], after: Any, now: Any, path: str
) -> Iterable[tuple[str, Any, Any]]:
    """Yield the fields that ``back`` sets and that have changed since the undone change."""
    for key, value in back.items():
        inner = f"{path}.{key}" if path else key
        then = after.get(key, _ABSENT) if isinstance(after, Mapping) else _ABSENT
        here = now.get(key, _ABSENT) if isinstance(now, Mapping) else _ABSENT
        if isinstance(value, Mapping) and _maybe_mapping(then) and _maybe_mapping(here):
            yield from _clashes(value, then, here, inner)
        elif key not in APPLY_NOTES and not (then is here or then == here):
            yield inner, then, here


def _maybe_mapping(value: Any) -> bool:
    return value is _ABSENT or isinstance(value, Mapping)


def _narrowed(back: Mapping[str, Any], after: Any, now: Any) -> dict[str, Any]:
    """Return ``back``, narrowed to remove from a mapping only what the change added."""
    result: dict[str, Any] = {}
    for key, value in back.items():
        then, here = after.get(key), now.get(key)
        if isinstance(then, Mapping) and isinstance(here, Mapping) and then != here:
            inner = dict.fromkeys(then) if value is None else value
            if isinstance(inner, Mapping):
                result[key] = _narrowed(inner, then, here)
                continue
        result[key] = value
    return result


def _without_applied(value: dict[str, Any]) -> dict[str, Any]:
    metadata = dict(value["metadata"])
    annotations = {k: v for k, v in metadata.pop("annotations", {}).items() if k not in APPLY_NOTES}
    return {
        **value,
        "metadata": {**metadata, **({"annotations": annotations} if annotations else {})},
    }


def _hashless(value: dict[str, Any]) -> dict[str, Any]:
    data = value.get("data")
    return {**value, "data": dict.fromkeys(data, "")} if data else value


def _sets_values(back: Mapping[str, Any]) -> bool:
    data = back.get("data")
    return isinstance(data, Mapping) and any(value is not None for value in data.values())


def _no_values(obj: Any) -> str:
    return (
        f"{_word(obj)}: its former values are not given out, so they cannot be restored; "
        "write them anew"
    )


def _word(obj: Any) -> str:
    return word_of(kinds.BUILT_IN.of(obj), obj.metadata.name)


def _short(value: Any) -> str:
    return cut(None if value is _ABSENT else str(value), 40)
