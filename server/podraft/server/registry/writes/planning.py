"""From a list of writes to one transaction.

Owns: what each write means given what is stored: existence, preconditions,
namespaces, authorization, admission.  Invariants: a write sees the effects of
those before it in the same list; every key that was read is guarded at the
revision at which it was read, so a plan takes effect on exactly the state that
it was made from; the planner itself writes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol, TypeVar, assert_never

from google.protobuf.message import Message

from podraft.api import codec, kinds, patching
from podraft.api.core.v1.node_pb2 import Node
from podraft.api.kinds import AnyKind, KnownKinds
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.deletion import is_deleting
from podraft.api.violations import InvalidObjectError
from podraft.server import kinds as rooms
from podraft.server.auth import authorize as rules
from podraft.server.auth import node_records
from podraft.server.auth.authorize import UNSEEN, Attributes, Unseen
from podraft.server.auth.node_records import NodeRecord
from podraft.server.kinds.core.pod.addresses import check_pod_place
from podraft.server.registry import encoding, keys
from podraft.server.registry.access.callers import Authorizer
from podraft.server.registry.cache.decoded import DecodedObjects
from podraft.server.registry.errors import Code, RefusedError, invalid, located
from podraft.server.registry.reads.pages import described, not_found, target_key
from podraft.server.registry.slices import Work
from podraft.server.registry.writes import binding, repeats
from podraft.server.registry.writes.claims import AddressClaims, AddressRanges, RangeReader
from podraft.server.registry.writes.entries import Entry, check_preconditions, check_same
from podraft.server.registry.writes.extent import OBJECT_VALUES_MAX, check_extent
from podraft.server.registry.writes.operations import Bind, Create, Operation, Patch, Remove, Update
from podraft.server.registry.writes.results import Result
from podraft.server.state.datastore import Delete, Guard, Put, Record, Transaction

ResultT = TypeVar("ResultT")

# From here on it takes milliseconds to look at an object.
_LARGE_BYTES: Final = 128 * 1024


class Reader(RangeReader, Protocol):
    """What the planner reads: the newest records."""

    async def get(self, key: bytes) -> Record | None:
        """Return the newest record of ``key``."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every plan depends on besides the store and its caller."""

    known: KnownKinds
    now: Callable[[], datetime]
    new_uid: Callable[[], str]
    new_suffix: Callable[[], str]
    new_start: Callable[[], int]
    addresses: AddressRanges


@dataclass(frozen=True, slots=True)
class Plan:
    """One transaction and what its writes answer, in their order."""

    transaction: Transaction
    results: tuple[Result, ...]


class Planner:
    """Plans one list of writes; used once.

    If the ``call`` has an id, generated names follow from it: they are the same in a retry.
    """

    def __init__(
        self,
        reader: Reader,
        decoded: DecodedObjects,
        around: Surroundings,
        authorize: Authorizer,
        work: Work,
        call: repeats.Call = repeats.WITHOUT_ID,
    ) -> None:
        self._reader = reader
        self._call = call
        self._work = work
        self._decoded = decoded
        self._around = around
        self._authorize = authorize
        self._now = around.now()
        self._entries: dict[bytes, Entry] = {}
        self._guards: dict[bytes, Guard] = {}
        self._extra: dict[bytes, Put | Delete] = {}
        self._claims = AddressClaims(reader, around.addresses, around.new_start)
        # Those whose service asks for an address or port that may not be given to another.
        self._operations: Sequence[Operation] = ()

    async def plan(self, operations: Sequence[Operation], *, numbered: bool) -> Plan:
        """Return the transaction that carries out ``operations``.

        ``numbered`` lets errors say which write they are about.

        Raises:
            RefusedError: One of the writes is not possible.
        """
        results = []
        self._operations = operations
        for index, operation in enumerate(operations):
            await self._work.rest()
            try:
                results.append(await self._apply(operation, index))
            except (InvalidObjectError, RefusedError) as error:
                if not numbered:
                    raise
                raise located(error, index) from None
        conflict = self._claims.conflict()
        if conflict is not None:
            raise located(conflict.error, conflict.write) if numbered else conflict.error
        return Plan(self._transaction(), tuple(results))

    def _transaction(self) -> Transaction:
        writes = self._extra | self._claims.writes()
        self._guards |= self._claims.guards()
        for entry in self._entries.values():
            revision = entry.record.mod_revision if entry.record is not None else 0
            self._guards[entry.key] = Guard(entry.key, revision)
            if not entry.changed:
                continue
            if entry.message is not None:
                writes[entry.key] = Put(entry.key, entry.value)
            elif entry.record is not None:
                writes[entry.key] = Delete(entry.key)
        guards = tuple(self._guards.values())
        return Transaction(
            guards,
            tuple(writes.values()),
            self._authorize.author,
            self._call.request,
            self._call.digest,
        )

    async def _apply(self, operation: Operation, index: int) -> Result:
        match operation:
            case Create():
                return await self._create(operation, index)
            case Update():
                return await self._update(operation, index)
            case Patch():
                return await self._patch(operation, index)
            case Remove():
                return await self._remove(operation)
            case Bind():
                return await self._bind(operation)
            case _ as unreachable:
                assert_never(unreachable)

    async def _entry(self, kind: AnyKind, key: bytes) -> Entry:
        entry = self._entries.get(key)
        if entry is None:
            record = await self._reader.get(key)
            message = None
            if record is not None:
                message = self._decoded.get(kind, key, record.mod_revision, record.value)
            entry = self._entries[key] = Entry(kind, key, record, message)
        return entry

    async def _existing(
        self, kind: AnyKind, namespace: str, name: str, verb: rules.Verb, subresource: str
    ) -> Entry:
        """Return the object that a write names, if the caller may know of it.

        What the call names has been decided upon already; here whose the object is decides, before
        it is told that it is absent, or how it differs from what the call expects of it.
        """
        entry = await self._entry(kind, target_key(kind, namespace, name))
        self._check(verb, kind, namespace, name, subresource, stored=entry.message)
        if entry.message is None:
            raise not_found(kind, namespace, name)
        return entry

    async def _done(self, function: Callable[[], ResultT], size: int) -> ResultT:
        """Return what ``function`` makes of ``size`` bytes, without holding everybody up."""
        if size > _LARGE_BYTES:
            return await self._work.apart(function)
        with self._work:
            return function()

    def _check(
        self,
        verb: rules.Verb,
        kind: AnyKind,
        namespace: str,
        name: str,
        subresource: str = "",
        made: Message | Unseen = UNSEEN,
        stored: Message | Unseen | None = UNSEEN,
    ) -> None:
        """Return if the caller may make the call, as far as it has been looked at.

        Raises:
            RefusedError: It may not.
        """
        if not self._authorize.unrestricted:
            self._authorize(Attributes(verb, kind, namespace, name, subresource, made, stored))

    def _suffix(self, index: int, attempt: int) -> str:
        if self._call.request:
            return repeats.suffix(self._call.request, index, attempt)
        return self._around.new_suffix()

    async def _create(self, operation: Create, index: int) -> Result:
        kind, proposed, around = operation.kind, operation.object, self._around
        size = check_extent(proposed)
        for attempt in range(repeats.NAME_ATTEMPTS_MAX):
            prepare = partial(
                rooms.prepare_create,
                kind,
                proposed,
                known=around.known,
                now=self._now,
                uid=around.new_uid(),
                name_suffix="" if proposed.metadata.name else self._suffix(index, attempt),
            )
            created = await self._done(prepare, size)
            metadata = created.metadata
            entry = await self._entry(kind, keys.of_object(kind, metadata.namespace, metadata.name))
            if entry.message is None or proposed.metadata.name:
                break
        self._check("create", kind, metadata.namespace, metadata.name, "", created, None)
        if entry.message is not None:
            what = described(kind, metadata.namespace, metadata.name)
            raise RefusedError(Code.ALREADY_EXISTS, f"{what} already exists")
        if kind.namespaced:
            await self._check_namespace(metadata.namespace)
        if kind is kinds.SERVICE:
            created = await self._assign(None, created, index)
        entry.put(created)
        return Result(kind, entry.value, written=True)

    async def _check_namespace(self, name: str) -> None:
        entry = await self._entry(kinds.NAMESPACE, keys.of_namespace(name))
        if entry.message is None:
            raise RefusedError(Code.NOT_FOUND, f'namespaces "{name}" not found')
        if is_deleting(entry.message.metadata):
            raise RefusedError(
                Code.FAILED_PRECONDITION,
                f'namespace "{name}" is being deleted: nothing can be created in it',
            )

    async def _update(self, operation: Update, index: int) -> Result:
        kind, proposed = operation.kind, operation.object
        metadata = proposed.metadata
        entry = await self._existing(
            kind, metadata.namespace, metadata.name, "update", operation.subresource
        )
        return await self._replace(entry, proposed, "update", operation.subresource, index)

    async def _patch(self, operation: Patch, index: int) -> Result:
        kind, request = operation.kind, operation.request
        entry = await self._existing(
            kind, request.namespace, request.name, "patch", request.subresource
        )
        check_preconditions(entry, request.preconditions)
        size = len(request.merge_patch) + len(entry.value)
        merge = partial(_merged, entry.message, request.merge_patch)
        patch, proposed = await self._done(merge, size)
        return await self._replace(entry, proposed, "patch", request.subresource, index, patch)

    async def _replace(
        self,
        entry: Entry,
        proposed: Any,
        verb: rules.Verb,
        subresource: str,
        index: int,
        patch: Mapping[str, Any] | None = None,
    ) -> Result:
        """Store ``proposed`` in place of the entry's object, as far as the call may."""
        kind, stored = entry.kind, entry.message
        _check_subresource(kind, subresource)
        check_same(entry, proposed)
        prepare = partial(
            rooms.prepare_update,
            kind,
            stored,
            proposed,
            known=self._around.known,
            subresource=subresource,
            patch=patch,
        )
        updated = await self._done(prepare, check_extent(proposed) + len(entry.value))
        metadata = stored.metadata
        namespace, name = metadata.namespace, metadata.name
        self._check(verb, kind, namespace, name, subresource, updated, stored)
        if kind is kinds.SERVICE:
            updated = await self._assign(stored, updated, index)
        elif kind is kinds.POD and updated.status.pod_ip != stored.status.pod_ip:
            await self._check_pod_address(updated)
        if _is_same(stored, updated):
            return Result(kind, entry.value, written=entry.changed)
        entry.put(updated)
        value = entry.value
        if rooms.is_gone(kind, updated):
            self._drop(entry)
        return Result(kind, value, written=True)

    async def _assign(self, stored: Any, service: Any, index: int) -> Any:
        """Give a service its addresses, none of which another write of the list asks for."""
        for operation in self._operations:
            if isinstance(operation, Create | Update) and operation.kind is kinds.SERVICE:
                self._claims.foresee(operation.object)
            elif isinstance(operation, Patch) and operation.kind is kinds.SERVICE:
                with contextlib.suppress(InvalidObjectError):  # It is told when its turn comes.
                    patch = codec.decode_json(operation.request.merge_patch)
                    spec = patch.get("spec") if isinstance(patch, dict) else None
                    self._claims.foresee(codec.parse(kinds.SERVICE.message, {"spec": spec or {}}))
        self._operations = ()
        return await self._claims.assign(stored, service, index)

    async def _check_pod_address(self, pod: Any) -> None:
        """Check a pod's new address against its node, which is only looked at.

        A guard would let every heartbeat of the node refuse its pods' statuses; the range
        of a node never changes.
        """
        key = keys.of_object(kinds.NODE, "", pod.spec.node_name)
        entry, node = self._entries.get(key), None
        if entry is not None:
            node = entry.message
        elif (record := await self._reader.get(key)) is not None:
            node = self._decoded.get(kinds.NODE, key, record.mod_revision, record.value)
        check_pod_place(pod, node, self._around.addresses.service_cidr)

    async def _remove(self, operation: Remove) -> Result:
        kind, request = operation.kind, operation.request
        if kind is kinds.NODE and await self._never_registered(request.name):
            self._revoke(request.name)
            node = Node(metadata=meta_pb2.ObjectMeta(name=request.name))
            return Result(kind, encoding.encode_object(node), written=True)
        entry = await self._existing(kind, request.namespace, request.name, "delete", "")
        stored, options = entry.message, request.options
        check_preconditions(entry, options.preconditions)
        decision = rooms.prepare_delete(kind, stored, options, now=self._now)
        if kind is kinds.NODE:
            # At once, whatever finalizers hold the object back: its certificates end here.
            self._revoke(request.name)
        match decision:
            case rooms.Remove():
                self._drop(entry)
                return Result(kind, entry.value, written=True)
            case rooms.MarkDeleting():
                if _is_same(stored, decision.object):
                    return Result(kind, entry.value, written=entry.changed)
                entry.put(decision.object)
                return Result(kind, entry.value, written=True)

    async def _never_registered(self, name: str) -> bool:
        """Return whether a machine has joined under a name and made no Node: it can be put out."""
        self._check("delete", kinds.NODE, "", name)
        entry = await self._entry(kinds.NODE, target_key(kinds.NODE, "", name))
        if entry.message is not None:
            return False
        record = await self._reader.get(node_records.key_of(name))
        return record is not None and bool(NodeRecord.decode(record.value).key)

    def _revoke(self, node: str) -> None:
        """Let nobody be the node any more until it joins anew."""
        key = node_records.key_of(node)
        record = node_records.removed(self._now.timestamp())
        self._extra[key] = Put(key, record.encode(), stamped=False)

    def _drop(self, entry: Entry) -> None:
        """Remove the object and what the server keeps on its behalf."""
        stored = entry.message
        entry.remove()
        metadata = stored.metadata
        if entry.kind is kinds.POD:
            key = keys.of_scheduling_record(metadata.namespace, metadata.name)
            self._extra[key] = Delete(key)
        elif entry.kind is kinds.SERVICE:
            self._claims.release(stored)

    async def _bind(self, operation: Bind) -> Result:
        request = operation.request
        namespace, name = request.namespace, request.name
        entry = await self._existing(kinds.POD, namespace, name, "create", rules.BINDING)
        stored = entry.message
        record_key = keys.of_scheduling_record(namespace, name)
        before = await self._reader.get(record_key)
        decision = binding.decide(
            stored, request, before.value if before is not None else None, self._now
        )
        if decision.record is not None:
            self._extra[record_key] = Put(record_key, decision.record, stamped=False)
        if decision.pod is None:
            return Result(kinds.POD, entry.value, written=entry.changed)
        entry.put(decision.pod)
        return Result(kinds.POD, entry.value, written=True)


def _merged(stored: Any, patch: bytes) -> tuple[dict[str, Any], Any]:
    """Return what a patch says, and the object that it makes of the stored one."""
    changes = codec.decode_json(patch)
    return changes, patching.patched(stored, changes, values_max=OBJECT_VALUES_MAX)


def _is_same(stored: Any, updated: Any) -> bool:
    if stored.metadata.resource_version:
        updated.metadata.resource_version = stored.metadata.resource_version
    return bool(stored == updated)


def _check_subresource(kind: AnyKind, subresource: str) -> None:
    if subresource not in ("", "status"):
        raise invalid("subresource", 'expected "status" or nothing')
    if subresource and not kind.has_status:
        raise invalid("subresource", f"{kind.resource} have no status")
