"""The part of an object whose fields have owners.

Invariant: what only the server writes has none, nor has what a write leaves alone: a write of the
object its status, a write of the status all else.
"""

from __future__ import annotations

from typing import Final

from podraft.api.kinds import AnyKind
from podraft.api.ownership.field_set import FieldSet

_METADATA: Final = "f:metadata"
_STATUS: Final = "f:status"
# Fields of the metadata that name the object, or that the server writes.
_OF_NOBODY: Final = frozenset(
    f"f:{name}"
    for name in (
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
    )
)


def owned(kind: AnyKind, fields: FieldSet, subresource: str) -> FieldSet:
    """Return the fields, of a whole object, that a write of a part of it can own."""
    if subresource:
        return FieldSet({e: one for e, one in fields.children.items() if e == f"f:{subresource}"})
    children = dict(fields.children)
    if kind.has_status:
        children.pop(_STATUS, None)
    if (metadata := children.pop(_METADATA, None)) is not None:
        left = {e: one for e, one in metadata.children.items() if e not in _OF_NOBODY}
        if left:
            children[_METADATA] = FieldSet(left)
    return FieldSet(children)
