"""Calls that are made again: their ids, and the answer of a call that took effect before.

Owns: how a client's request id becomes the store's, what is random in a plan but must be the same
in each retry, and reading back what a transaction left.

Invariants: ids of different users never meet, so nobody is answered with what another one wrote;
an answer is made of the state at the revision that the call took.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct
from typing import Any, Final

from podraft.api import kinds
from podraft.api.kinds import AnyKind
from podraft.server.admission.metadata import MAX_GENERATED_BASE
from podraft.server.rpc import keys
from podraft.server.rpc.errors import Code, RefusedError, invalid
from podraft.server.rpc.operations import Bind, Create, Operation, Update
from podraft.server.rpc.results import Result
from podraft.server.state.datastore import Datastore, Record, RevisionCompactedError
from podraft.server.state.requests import REQUEST_BYTES
from podraft.server.state.revisions import revision_suffix

NAME_ATTEMPTS_MAX: Final = 8
# No vowels, so a generated name never is a word.
SUFFIX_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH: Final = 5
_PLACE = Struct("<II")


def scoped(author: bytes, request_id: bytes) -> bytes:
    """Return what the store calls a user's request; nothing if it has no id.

    Raises:
        RefusedError: The id is not of the right length.
    """
    if not request_id:
        return b""
    if len(request_id) != REQUEST_BYTES:
        raise invalid(
            "requestId", f"expected {REQUEST_BYTES} random bytes or none, got {len(request_id)}"
        )
    return blake2b(author, key=request_id, digest_size=REQUEST_BYTES).digest()


def suffix(request: bytes, write: int, attempt: int) -> str:
    """Return the end of the name that one of a request's writes generates: a retry's, too."""
    digest = blake2b(_PLACE.pack(write, attempt), key=request, digest_size=SUFFIX_LENGTH).digest()
    return "".join(SUFFIX_ALPHABET[byte % len(SUFFIX_ALPHABET)] for byte in digest)


async def repeated(
    datastore: Datastore, operations: Sequence[Operation], request: bytes, revision: int
) -> tuple[Result, ...]:
    """Return what the writes of ``request``, which took ``revision``, answer.

    An object that several of them wrote is shown as the last one left it, in each; one that
    came and went among them by its name.

    Raises:
        RefusedError: The id was another call's, or the revision is not kept.
    """
    try:
        found = [
            await _result(datastore, operation, request, index, revision)
            for index, operation in enumerate(operations)
        ]
    except RevisionCompactedError:
        raise RefusedError(
            Code.OUT_OF_RANGE,
            f"the call took effect at revision {revision}, but what it left is not kept any more: "
            "read it again",
        ) from None
    if not any(is_its for _, is_its in found):
        raise _other_call()
    return tuple(result for result, _ in found)


def _other_call() -> RefusedError:
    return invalid("requestId", "was used for another call: use each id for one call only")


async def _result(
    datastore: Datastore, operation: Operation, request: bytes, index: int, revision: int
) -> tuple[Result, bool]:
    """Return what one write answers, and whether it certainly wrote it at ``revision``."""
    kind = _kind(operation)
    for key in _keys(operation, request, index):
        record = await _record(datastore, key, revision)
        if record is not None:
            if _is_generated(operation) and record.create_revision != revision:
                continue  # The name was taken by another object.
            # A bind may have written its record only.
            is_its = record.mod_revision == revision or isinstance(operation, Bind)
            return Result(kind, record.value, written=False), is_its
        before = await _record(datastore, key, revision - 1) if revision > 1 else None
        if before is not None:
            value = before.value + revision_suffix(revision)
            return Result(kind, value, written=False), True
    named = kind.message()
    target = _target(operation)
    named.metadata.name, named.metadata.namespace = target.name, target.namespace
    return Result(kind, named.SerializeToString(), written=False), False


def _is_generated(operation: Operation) -> bool:
    return isinstance(operation, Create) and not operation.object.metadata.name


def _kind(operation: Operation) -> AnyKind:
    return kinds.POD if isinstance(operation, Bind) else operation.kind


def _keys(operation: Operation, request: bytes, index: int) -> Sequence[bytes]:
    """Return where an object can be that the operation wrote."""
    kind, target = _kind(operation), _target(operation)
    names = [target.name]
    if _is_generated(operation):
        base = target.generate_name[:MAX_GENERATED_BASE]
        names = [base + suffix(request, index, attempt) for attempt in range(NAME_ATTEMPTS_MAX)]
    return [keys.of_object(kind, target.namespace, name) for name in names]


def _target(operation: Operation) -> Any:
    """Return what has the object's name and namespace."""
    if isinstance(operation, Create | Update):
        return operation.object.metadata
    return operation.request


async def _record(datastore: Datastore, key: bytes, revision: int) -> Record | None:
    # The smallest key that begins like this is this one, if it is there.
    page = await datastore.range(key, limit=1, revision=revision)
    found = page.records[0] if page.records else None
    return found if found is not None and found.key == key else None
