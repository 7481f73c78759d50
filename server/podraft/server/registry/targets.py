"""The object that a request names, and how messages name it.

Invariant: a request that names no object of its kind is refused before anything is looked up.
"""

from __future__ import annotations

from podraft.api.kinds import AnyKind
from podraft.server.registry import keys
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.state.datastore import Record
from podraft.server.state.reads import Reads


def target_key(kind: AnyKind, namespace: str, name: str) -> bytes:
    """Return the key of the object that a request names.

    Raises:
        RefusedError: Name or namespace is missing, or the kind has no namespaces.
    """
    if not name:
        raise invalid("name", "is required")
    if kind.namespaced:
        if not namespace:
            raise invalid("namespace", f"is required: {kind.resource} are in namespaces")
    elif namespace:
        raise invalid("namespace", f"must be empty: {kind.resource} are not in namespaces")
    return keys.of_object(kind, namespace, name)


async def existing(reads: Reads, kind: AnyKind, namespace: str, name: str) -> Record:
    """Return an object's record.

    Raises:
        RefusedError: There is none.
    """
    record = await reads.get(target_key(kind, namespace, name))
    if record is None:
        raise not_found(kind, namespace, name)
    return record


def not_found(kind: AnyKind, namespace: str, name: str) -> RefusedError:
    """Return the refusal of a call about an object that does not exist."""
    return RefusedError(Code.NOT_FOUND, f"{described(kind, namespace, name)} not found")


def described(kind: AnyKind, namespace: str, name: str) -> str:
    """Return the name of an object in messages: ``pods "web" in namespace "default"``."""
    where = f' in namespace "{namespace}"' if kind.namespaced else ""
    return f'{kind.resource} "{name}"{where}'
