"""Admission: what an object looks like before it may be stored.

Every function here is pure: (kind, stored object, proposed object, now) to a
defaulted object, or ``InvalidObjectError`` with all that is wrong.  One module
per concern and per family of kinds; ``objects`` is the way in.
"""

from podraft.server.kinds.deletion import (
    Deletion,
    MarkDeleting,
    Remove,
    is_gone,
    prepare_delete,
)
from podraft.server.kinds.objects import prepare_create, prepare_update
from podraft.server.kinds.pod_addresses import check_pod_place
from podraft.server.kinds.service_addresses import (
    Assignment,
    asked_keys,
    assign,
    claimed_keys,
    field_of_key,
)

__all__ = [
    "prepare_create",
    "prepare_update",
    "prepare_delete",
    "is_gone",
    "Deletion",
    "Remove",
    "MarkDeleting",
    "check_pod_place",
    "assign",
    "asked_keys",
    "claimed_keys",
    "field_of_key",
    "Assignment",
]
