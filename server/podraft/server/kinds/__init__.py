"""The kinds: one room for each, with all that the server must know of it.

`rules` defines the parts of a room, `rooms` finds it, `objects` and `deletion` go through the
steps; a kind's own rules are in ``<group>/<kind>.py``.  Everything here is pure: from (kind, stored
object, proposed object, now) to an object, or ``InvalidObjectError`` with all that is wrong.
"""

from podraft.server.kinds.deletion import Deletion, MarkDeleting, Remove, is_gone, prepare_delete
from podraft.server.kinds.objects import prepare_create, prepare_update
from podraft.server.kinds.rooms import rules_of
from podraft.server.kinds.rules import Rules

__all__ = [
    "prepare_create",
    "prepare_update",
    "prepare_delete",
    "is_gone",
    "Deletion",
    "Remove",
    "MarkDeleting",
    "Rules",
    "rules_of",
]
