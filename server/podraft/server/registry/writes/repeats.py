"""Repeated calls: their ids, and the answer of a call that took effect before.

Owns: how a client's request id becomes the store's, what is random in a plan but must be the same
in each retry, and reading back what a transaction left.

Invariants: ids of different users never collide, so nobody is answered with another user's writes;
an id stands for the writes that it came with first, and reveals nothing to others; an answer is
made of the state at the revision that the call took, and given only to a caller that may still
make the call on the state before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct
from typing import Any, Final, assert_never

from google.protobuf.message import Message

from podraft.api import kinds
from podraft.api.kinds import AnyKind
from podraft.server.auth.authorize import BINDING, EVICTION, UNSEEN, Attributes, Verb
from podraft.server.kinds.metadata import GENERATED_BASE_MAX
from podraft.server.registry import keys
from podraft.server.registry.access.callers import Authorizer
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.registry.slices import Work
from podraft.server.registry.writes.operations import (
    Apply,
    Bind,
    Create,
    DeleteObject,
    Evict,
    Operation,
    Patch,
    Update,
)
from podraft.server.registry.writes.results import Result
from podraft.server.state.datastore import Datastore, Record, Repeated, RevisionCompactedError
from podraft.server.state.requests import DIGEST_BYTES, REQUEST_BYTES
from podraft.server.state.revisions import revision_suffix
from podraft.server.values import value

NAME_ATTEMPTS_MAX: Final = 8
# No vowels, so that a generated name is never a word.
SUFFIX_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH: Final = 5
_PLACE = Struct("<II")


@value
class CallId:
    """The store's name of a call, and the digest of its writes; both empty if it has no id."""

    request: bytes = b""
    digest: bytes = b""

    def is_that_of(self, applied: Repeated) -> bool:
        """Return whether the writes are those that took effect under the call's id.

        Data directories of older versions hold ids without digests: there the id must do.
        """
        return not applied.digest or applied.digest == self.digest


WITHOUT_ID: Final = CallId()


async def identified(
    author: bytes,
    request_id: bytes,
    operations: Sequence[Operation],
    work: Work,
    manager: str = "",
) -> CallId:
    """Return the store's name of a user's call, which is the same on every server.

    ``manager`` is whom the written fields shall belong to; empty: nobody is named.

    Raises:
        RefusedError: The id is not of the right length, or the call takes too much time.
    """
    if not request_id:
        return WITHOUT_ID
    if len(request_id) != REQUEST_BYTES:
        raise invalid(
            "requestId", f"expected {REQUEST_BYTES} random bytes or none, got {len(request_id)}"
        )
    # The id is the digest's key: nobody can test guesses of a Secret on a digest from a disk.
    digest = blake2b(key=request_id, digest_size=DIGEST_BYTES)
    if manager:
        digest.update(b"for %b " % manager.encode())
    if len(operations) == 1:
        digest.update(_told(operations[0]))
    else:
        with work:
            for operation in operations:
                digest.update(_told(operation))
                if work.is_long:
                    await work.pause()
    request = blake2b(author, key=request_id, digest_size=REQUEST_BYTES).digest()
    return CallId(request, digest.digest())


def _told(operation: Operation) -> bytes:
    """Return a description of a write: its type, its kind of object and all its contents."""
    message: Message
    match operation:
        case Create():
            what, message = f"create {operation.kind.resource}", operation.object
        case Update():
            what = f"update {operation.kind.resource} {operation.subresource}"
            message = operation.object
        case Patch():
            what, message = f"patch {operation.kind.resource}", operation.request
        case Apply():
            how = f"{operation.subresource} {operation.force} {operation.only_create}"
            what, message = f"apply {operation.kind.resource} {how}", operation.object
        case DeleteObject():
            what, message = f"delete {operation.kind.resource}", operation.request
        case Bind():
            what, message = "bind", operation.request
        case Evict():
            what, message = "evict", operation.request
        case _ as unreachable:
            assert_never(unreachable)
    encoded = message.SerializeToString(deterministic=True)
    return b"%d %b %d %b" % (len(what), what.encode(), len(encoded), encoded)


def suffix(request: bytes, write: int, attempt: int) -> str:
    """Return the end of the name that a request's write generates, the same in each retry."""
    digest = blake2b(_PLACE.pack(write, attempt), key=request, digest_size=SUFFIX_LENGTH).digest()
    return "".join(SUFFIX_ALPHABET[byte % len(SUFFIX_ALPHABET)] for byte in digest)


async def repeated(
    datastore: Datastore,
    operations: Sequence[Operation],
    authorize: Authorizer,
    call: CallId,
    applied: Repeated,
) -> tuple[Result, ...]:
    """Return the answers of the writes of ``call``, which took effect before.

    An object that several of them wrote is shown in each answer as the last one left it; an object
    that came and went among them is shown by its name.

    Raises:
        RefusedError: The caller may not make the call, the id was another call's, or the revision
            is not kept.
    """
    try:
        found = [
            await _traces(datastore, operation, call.request, index, applied.revision)
            for index, operation in enumerate(operations)
        ]
    except RevisionCompactedError:
        raise RefusedError(
            Code.OUT_OF_RANGE,
            f"the call took effect at revision {applied.revision}, but what it left is not kept "
            "any more: read it again",
        ) from None
    if not authorize.unrestricted:
        for operation, traces in zip(operations, found, strict=True):
            authorize(_attributes(operation, traces))
    if not applied.digest and not any(traces.certain for traces in found):
        raise other_call()
    return tuple(
        _result(operation, traces, applied.revision)
        for operation, traces in zip(operations, found, strict=True)
    )


def other_call() -> RefusedError:
    """Return the refusal of an id that came with other writes before."""
    return invalid("requestId", "was used for another call: use each id for one call only")


@value
class _Traces:
    """The object of one write just before the transaction and just after it.

    ``certain``: the object was certainly written then.
    """

    before: Record | None
    after: Record | None
    certain: bool


async def _traces(
    datastore: Datastore, operation: Operation, request: bytes, index: int, revision: int
) -> _Traces:
    """Return what the transaction of ``revision`` did to the object of one of its writes."""
    for key in _keys(operation, request, index):
        after = await _record(datastore, key, revision)
        if after is not None and _is_generated(operation) and after.create_revision != revision:
            continue  # The name was taken by another object.
        before = await _record(datastore, key, revision - 1) if revision > 1 else None
        if after is not None:
            # A bind may have written only its record.
            certain = after.mod_revision == revision or isinstance(operation, Bind)
            return _Traces(before, after, certain)
        if before is not None:
            return _Traces(before, None, certain=True)
    return _Traces(None, None, certain=False)


def _result(operation: Operation, traces: _Traces, revision: int) -> Result:
    kind = _kind(operation)
    if traces.after is not None:
        return Result(kind, traces.after.value, written=False)
    if traces.before is not None:
        return Result(kind, traces.before.value + revision_suffix(revision), written=False)
    named = kind.message()
    target = _target(operation)
    named.metadata.name, named.metadata.namespace = target.name, target.namespace
    return Result(kind, named.SerializeToString(), written=False)


def named(operation: Operation) -> Attributes:
    """Return the attributes of a write's call, as far as the write itself tells them."""
    kind, target = _kind(operation), _target(operation)
    namespace, name = target.namespace, target.name
    match operation:
        case Create():
            return Attributes("create", kind, namespace, name, "", UNSEEN, None)
        case Update(_, _, subresource):
            return Attributes("update", kind, namespace, name, subresource, UNSEEN, UNSEEN)
        case Patch(_, request):
            return Attributes("patch", kind, namespace, name, request.subresource, UNSEEN, UNSEEN)
        case Apply(_, _, _, subresource, only_create):
            if only_create:
                return Attributes("create", kind, namespace, name, "", UNSEEN, None)
            return Attributes("patch", kind, namespace, name, subresource, UNSEEN, UNSEEN)
        case DeleteObject():
            return Attributes("delete", kind, namespace, name, "", None, UNSEEN)
        case Bind():
            return Attributes("create", kind, namespace, name, BINDING, UNSEEN, UNSEEN)
        case Evict():
            return Attributes("create", kind, namespace, name, EVICTION, UNSEEN, UNSEEN)
        case _ as unreachable:
            assert_never(unreachable)


def _attributes(operation: Operation, traces: _Traces) -> Attributes:
    """Return the attributes of a write's call on the objects before and after it."""
    kind, target = _kind(operation), _target(operation)
    before, after = (
        None if record is None else kind.message.FromString(record.value)
        for record in (traces.before, traces.after)
    )
    # An object made by an earlier write of the transaction counted as stored for later ones.
    stored = before if before is not None else after
    name = target.name or (after.metadata.name if after is not None else "")
    match operation:
        case Create(_, proposed):
            made = after if after is not None else proposed
            return Attributes("create", kind, target.namespace, name, object=made)
        case Update(_, proposed, subresource):
            made = after if after is not None else proposed
            return Attributes("update", kind, target.namespace, name, subresource, made, stored)
        case Patch(_, request):
            made = after if after is not None else stored
            return Attributes(
                "patch", kind, target.namespace, name, request.subresource, made, stored
            )
        case Apply(_, proposed, _, subresource):
            verb: Verb = "create" if before is None else "patch"
            made = after if after is not None else proposed
            return Attributes(verb, kind, target.namespace, name, subresource, made, before)
        case DeleteObject():
            return Attributes("delete", kind, target.namespace, name, stored=stored)
        case Bind():
            return Attributes("create", kind, target.namespace, name, BINDING, stored=stored)
        case Evict():
            return Attributes("create", kind, target.namespace, name, EVICTION, stored=stored)
        case _ as unreachable:
            assert_never(unreachable)


def _is_generated(operation: Operation) -> bool:
    return isinstance(operation, Create) and not operation.object.metadata.name


def _kind(operation: Operation) -> AnyKind:
    return kinds.POD if isinstance(operation, Bind | Evict) else operation.kind


def _keys(operation: Operation, request: bytes, index: int) -> Sequence[bytes]:
    """Return the keys at which the object that the operation wrote can be."""
    kind, target = _kind(operation), _target(operation)
    names = [target.name]
    if _is_generated(operation):
        base = target.generate_name[:GENERATED_BASE_MAX]
        names = [base + suffix(request, index, attempt) for attempt in range(NAME_ATTEMPTS_MAX)]
    return [keys.of_object(kind, target.namespace, name) for name in names]


def _target(operation: Operation) -> Any:
    """Return the message that has the object's name and namespace."""
    if isinstance(operation, Create | Update | Apply):
        return operation.object.metadata
    return operation.request


async def _record(datastore: Datastore, key: bytes, revision: int) -> Record | None:
    # If the key exists, it is the smallest of all keys with this prefix.
    page = await datastore.range(key, limit=1, revision=revision)
    found = page.records[0] if page.records else None
    return found if found is not None and found.key == key else None
