"""Why a namespace that is being deleted is still there.  Pure.

Every sentence names an object or a finalizer that keeps the namespace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podraft.api import kinds
from podraft.api.core.v1 import namespace_pb2
from podraft.api.objects import well_known
from podraft.api.objects.conditions import TRUE
from podraft.api.objects.deletion import is_deleting
from podraft.cli.command_line.targets import word_of

_NAMED_MAX = 20


def holding_conditions(namespace: namespace_pb2.Namespace) -> list[str]:
    """Return what the namespace's conditions say about the objects that are left in it."""
    return [
        condition.message
        for condition in namespace.status.conditions
        if condition.status == TRUE and condition.message
    ]


def reasons(namespace: namespace_pb2.Namespace, inside: Sequence[Any], *, more: bool) -> list[str]:
    """Return what keeps a namespace, given objects in it and whether there are ``more``."""
    held = [obj for obj in inside if obj.metadata.finalizers and is_deleting(obj.metadata)]
    ending = [obj for obj in inside if not obj.metadata.finalizers and is_deleting(obj.metadata)]
    waiting = [obj for obj in inside if not is_deleting(obj.metadata)]
    found = [
        f"{_word(obj)} is held by its finalizer {finalizer}: who set it has work to do first, "
        "or it has to be taken away"
        for obj in held[:_NAMED_MAX]
        for finalizer in obj.metadata.finalizers
    ]
    if len(held) > _NAMED_MAX:
        found.append(f"{len(held) - _NAMED_MAX} more objects are held by finalizers")
    if ending:
        found.append(f"still ending: {_some(ending)}")
    if waiting:
        found.append(f"not being deleted yet: {_some(waiting)}")
    if more:
        found.append("there is more inside than is listed here")
    found += [
        f"the namespace itself is held by its finalizer {finalizer}"
        for finalizer in namespace.metadata.finalizers
    ]
    found += [
        f"spec.finalizers has {finalizer}, which nobody serves: it has to be taken away"
        for finalizer in namespace.spec.finalizers
        if finalizer != well_known.NAMESPACE_FINALIZER
    ]
    if not found and well_known.NAMESPACE_FINALIZER in namespace.spec.finalizers:
        found.append("it is empty; the controllers have not let it go yet: do they run?")
    return found


def _word(obj: Any) -> str:
    return word_of(kinds.BUILT_IN.of(obj), obj.metadata.name)


def _some(objects: Sequence[Any]) -> str:
    words = [_word(obj) for obj in objects]
    rest = len(words) - _NAMED_MAX
    shown = ", ".join(words[:_NAMED_MAX])
    return f"{shown} and {rest} more" if rest > 0 else shown
