"""From a list of writes to one transaction.

Owns: what each write means given what is stored: existence, preconditions,
namespaces, authorization, admission.  Invariants: a write sees the effects of
those before it in the same list; every key that was read is guarded at the
revision at which it was read, so a plan takes effect on exactly the state that
it was made from; the planner itself writes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar, assert_never

from google.protobuf.message import Message

from podraft.api import codec, kinds
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import meta_pb2, requests_pb2
from podraft.api.objects.deletion import is_deleting
from podraft.api.ownership.applying import Application
from podraft.api.ownership.holdings import Writer
from podraft.api.scales import SCALE
from podraft.api.violations import InvalidObjectError
from podraft.server import kinds as rooms
from podraft.server.auth import authorize as access
from podraft.server.auth.authorize import UNSEEN, Attributes, Unseen
from podraft.server.kinds.core.pod.room import scheduling_record_key
from podraft.server.kinds.hooks import Companion, Neighbour, Neighbours
from podraft.server.kinds.report import Report
from podraft.server.kinds.rooms import rules_of
from podraft.server.registry import encoding, keys
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.errors import Code, RefusedError, located
from podraft.server.registry.targets import described, not_found, target_key
from podraft.server.registry.writes import binding, eviction, owners, repeats
from podraft.server.registry.writes.claims import PlanClaims
from podraft.server.registry.writes.entries import (
    Entry,
    check_preconditions,
    check_same,
    check_subresource,
    is_same,
    merged,
    rescaled,
)
from podraft.server.registry.writes.extent import check_extent
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
from podraft.server.registry.writes.plans import Plan, PlanInputs, Reader, WriteList
from podraft.server.registry.writes.results import Result
from podraft.server.state.datastore import Delete, Guard, Put, Transaction

ResultT = TypeVar("ResultT")

# Above this size it takes milliseconds to look at an object.
_LARGE_BYTES: Final = 128 * 1024


class Planner:
    """The planner of one list of writes; used once.

    If its call has an id, generated names follow from the id: they are the same in a retry.
    """

    def __init__(
        self,
        reader: Reader,
        caches: Caches,
        inputs: PlanInputs,
        writes: WriteList,
    ) -> None:
        self._reader = reader
        self._writes = writes
        self._caches = caches
        self._inputs = inputs
        self._call = writes.call
        self._work = writes.work
        self._authorize = writes.authorize
        self._now = inputs.now()
        self._entries: dict[bytes, Entry] = {}
        self._guards: dict[bytes, Guard] = {}
        self._extra: dict[bytes, Put | Delete] = {}
        self._claims = PlanClaims(reader, inputs.addresses, inputs.new_start)
        # The operations whose requests are not yet noted.
        self._unforeseen = writes.operations

    async def plan(self) -> Plan:
        """Return the transaction that carries out the writes.

        Raises:
            RefusedError: One of them is not possible.
        """
        results, numbered = [], self._writes.numbered
        for index, operation in enumerate(self._writes.operations):
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

    def _apply(self, operation: Operation, index: int) -> Awaitable[Result]:
        match operation:
            case Create():
                return self._create(operation, index)
            case Update():
                return self._update(operation, index)
            case Patch():
                return self._patch(operation, index)
            case Apply():
                return self._apply_configuration(operation, index)
            case DeleteObject():
                return self._remove(operation)
            case Bind():
                return self._bind(operation)
            case Evict():
                return self._evict(operation)
            case _ as unreachable:
                assert_never(unreachable)

    async def _entry(self, kind: AnyKind, key: bytes) -> Entry:
        entry = self._entries.get(key)
        if entry is None:
            record = await self._reader.get(key)
            message = None
            if record is not None:
                message = self._caches.of(kind).objects.of(record)
            entry = self._entries[key] = Entry(kind, key, record, message)
        return entry

    async def _existing(
        self, kind: AnyKind, namespace: str, name: str, verb: access.Verb, subresource: str
    ) -> Entry:
        """Return the object that a write names, if the caller may know of it.

        The call's names have been checked already; this check depends on the object itself, and
        comes before the caller is told that it is absent, or differs from what the call expects.
        """
        entry = await self._entry(kind, target_key(kind, namespace, name))
        self._check(verb, kind, namespace, name, subresource, stored=entry.message)
        if entry.message is None:
            raise not_found(kind, namespace, name)
        return entry

    async def _done(self, function: Callable[[], ResultT], size: int) -> ResultT:
        """Return the result of ``function`` on ``size`` bytes without holding up other calls."""
        if size > _LARGE_BYTES:
            return await self._work.apart(function)
        with self._work:
            return function()

    def _check(
        self,
        verb: access.Verb,
        kind: AnyKind,
        namespace: str,
        name: str,
        subresource: str = "",
        made: Message | Unseen = UNSEEN,
        stored: Message | Unseen | None = UNSEEN,
    ) -> None:
        """Check that the caller may make the call, as far as it has been looked at.

        Raises:
            RefusedError: The caller may not make it.
        """
        if not self._authorize.unrestricted:
            self._authorize(Attributes(verb, kind, namespace, name, subresource, made, stored))

    def _suffix(self, index: int, attempt: int) -> str:
        if self._call.request:
            return repeats.suffix(self._call.request, index, attempt)
        return self._inputs.new_suffix()

    async def _create(
        self, operation: Create | Apply, index: int, application: Application | None = None
    ) -> Result:
        kind, proposed, inputs = operation.kind, operation.object, self._inputs
        size = check_extent(proposed)
        for attempt in range(repeats.NAME_ATTEMPTS_MAX):
            prepare = partial(
                rooms.prepare_create,
                kind,
                proposed,
                known=inputs.known,
                now=self._now,
                uid=inputs.new_uid(),
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
        created = await self._settled(kind, None, created, index)
        if application is not None:
            note = partial(owners.note_applier, None, created, application, self._now)
            await self._done(note, size)
        elif self._writes.manager:
            writer = self._writer(kind)
            note = partial(owners.note_maker, kind, proposed, created, writer, self._now)
            await self._done(note, size)
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

    def _writer(self, kind: AnyKind, subresource: str = "") -> Writer:
        return owners.writer_of(kind, self._writes.manager, self._authorize.author, subresource)

    async def _apply_configuration(self, operation: Apply, index: int) -> Result:
        kind, configuration, subresource = operation.kind, operation.object, operation.subresource
        owners.check_configuration(configuration, self._writes.manager)
        writer = self._writer(kind, subresource)
        namespace, name = configuration.metadata.namespace, configuration.metadata.name
        entry = await self._entry(kind, target_key(kind, namespace, name))
        if not operation.only_create:
            self._check("patch", kind, namespace, name, subresource, stored=entry.message)
        metadata = configuration.metadata
        expects_one = subresource or metadata.uid or metadata.resource_version
        if operation.only_create or (entry.message is None and not expects_one):
            # A maker of objects has a budget, and needs the right to make them.
            self._check("create", kind, namespace, name, "", UNSEEN, None)
            return await self._create(operation, index, owners.made(kind, configuration, writer))
        if entry.message is None:
            raise not_found(kind, namespace, name)
        size = check_extent(configuration) + len(entry.value)
        apply = partial(
            owners.applied, kind, entry.message, configuration, writer, force=operation.force
        )
        application = await self._done(apply, size)
        said = codec.to_json(configuration) if kind.typed_fields else {}
        return await self._replace(
            entry, application.object, "patch", subresource, index, said, application
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
        size = request.ByteSize() + len(entry.value)
        merge = partial(merged, kind, entry.message, request)
        patch, proposed = await self._done(merge, size)
        return await self._replace(entry, proposed, "patch", request.subresource, index, patch)

    async def _replace(
        self,
        entry: Entry,
        proposed: Any,
        verb: access.Verb,
        subresource: str,
        index: int,
        patch: Mapping[str, Any] | None = None,
        application: Application | None = None,
    ) -> Result:
        """Store ``proposed`` in place of the entry's object, as far as the call is allowed to."""
        kind, stored = entry.kind, entry.message
        check_subresource(kind, subresource)
        check_same(entry, proposed)
        part = subresource
        if subresource == SCALE:
            # The object is checked as a whole: its rules bound the number.
            proposed, part, patch = rescaled(kind, stored, proposed), "", None
        prepare = partial(
            rooms.prepare_update,
            kind,
            stored,
            proposed,
            known=self._inputs.known,
            subresource=part,
            patch=patch,
        )
        size = check_extent(proposed) + len(entry.value)
        updated = await self._done(prepare, size)
        metadata = stored.metadata
        namespace, name = metadata.namespace, metadata.name
        self._check(verb, kind, namespace, name, subresource, updated, stored)
        updated = await self._settled(kind, stored, updated, index)
        if application is not None:
            note = partial(owners.note_applier, stored, updated, application, self._now)
            await self._done(note, size)
        if is_same(stored, updated):
            return Result(kind, entry.value, written=entry.changed)
        if application is None and owners.is_tracked(stored):
            writer = self._writer(kind, subresource)
            note = partial(owners.note_writer, kind, stored, updated, writer, self._now)
            await self._done(note, size)
        entry.put(updated)
        value = entry.value
        if rooms.is_gone(kind, updated):
            self._drop(entry)
        return Result(kind, value, written=True)

    async def _settled(self, kind: AnyKind, stored: Any, proposed: Any, index: int) -> Any:
        """Return a valid object with its claims, if its neighbours allow it."""
        rules = rules_of(kind)
        if stored is None and rules.sources is not None:
            await self._check_neighbours(rules.sources, stored, proposed)
        if rules.claims is not None:
            self._foresee()
            proposed = await self._claims.assign(kind, rules.claims, stored, proposed, index)
        if rules.neighbours is not None:
            await self._check_neighbours(rules.neighbours, stored, proposed)
        return proposed

    def _foresee(self) -> None:
        """Note what all writes of the list ask for, so that no other object is given it."""
        operations, self._unforeseen = self._unforeseen, ()
        for operation in operations:
            if isinstance(operation, Create | Update | Apply):
                self._claims.foresee(operation.kind, operation.object)
            elif isinstance(operation, Patch):
                with contextlib.suppress(InvalidObjectError):  # Refused when its turn comes.
                    self._claims.foresee_patch(operation.kind, operation.request.merge_patch)

    async def _check_neighbours(self, rule: Neighbours[Any], stored: Any, proposed: Any) -> None:
        """Check an object against others.

        Raises:
            InvalidObjectError: The others do not allow it.
        """
        neighbours = rule.of(stored, proposed)
        if neighbours:
            found = [await self._neighbour(one, guarded=rule.guarded) for one in neighbours]
            report = Report()
            rule.check(proposed, tuple(found), self._inputs.addresses, report)
            report.raise_if_any()

    async def _neighbour(self, neighbour: Neighbour, *, guarded: bool) -> Any:
        kind, name = neighbour.kind, neighbour.name
        if neighbour.claim and not (name := await self._claims.holder(kind, neighbour.claim)):
            return None
        key = keys.of_object(kind, neighbour.namespace, name)
        if guarded or key in self._entries:
            return (await self._entry(kind, key)).message
        record = await self._reader.get(key)
        if record is None:
            return None
        return self._caches.of(kind).objects.of(record)

    async def _remove(self, operation: DeleteObject) -> Result:
        kind, request = operation.kind, operation.request
        companions = rules_of(kind).companions
        if await self._ended_alone(kind, companions, request.namespace, request.name):
            metadata = meta_pb2.ObjectMeta(namespace=request.namespace, name=request.name)
            named = encoding.encode_object(kind.message(metadata=metadata))
            return Result(kind, named, written=True)
        entry = await self._existing(kind, request.namespace, request.name, "delete", "")
        check_preconditions(entry, request.options.preconditions)
        return self._delete(entry, request)

    async def _evict(self, operation: Evict) -> Result:
        request = operation.request
        namespace, name = request.namespace, request.name
        entry = await self._existing(kinds.POD, namespace, name, "create", access.EVICTION)
        check_preconditions(entry, request.options.preconditions)
        pod, kind = entry.message, kinds.POD_DISRUPTION_BUDGET
        if not eviction.is_free(pod):
            page = await self._reader.range(keys.prefix(kind, namespace))
            find = partial(eviction.covering, pod, page.records, self._caches.of(kind).objects.of)
            found = await self._done(find, sum(len(record.value) for record in page.records))
            # They are guarded: two evictions never take the same from a budget.
            entries = [await self._entry(kind, key) for key in found]
            there = [one for one in entries if one.message is not None]
            after = eviction.charged(pod, [one.message for one in there], self._now)
            if after is not None:
                there[0].put(after)
        return self._delete(entry, request)

    def _delete(self, entry: Entry, request: requests_pb2.DeleteRequest) -> Result:
        """Delete an object, or begin its deletion, as the options say."""
        kind, stored, options = entry.kind, entry.message, request.options
        companions = rules_of(kind).companions
        decision = rooms.prepare_delete(kind, stored, options, now=self._now)
        for companion in companions:
            if companion.ends_when_asked:
                self._end(companion, request.namespace, request.name)
        match decision:
            case rooms.Remove():
                self._drop(entry)
                return Result(kind, entry.value, written=True)
            case rooms.MarkDeleting():
                if is_same(stored, decision.object):
                    return Result(kind, entry.value, written=entry.changed)
                entry.put(decision.object)
                return Result(kind, entry.value, written=True)

    async def _ended_alone(
        self, kind: AnyKind, companions: Sequence[Companion], namespace: str, name: str
    ) -> bool:
        """End the companions of an object that does not exist; return whether there were any."""
        for companion in companions:
            if companion.is_alone is None:
                continue
            self._check("delete", kind, namespace, name)
            if (await self._entry(kind, target_key(kind, namespace, name))).message is not None:
                return False
            record = await self._reader.get(companion.key(namespace, name))
            if record is not None and companion.is_alone(record.value):
                self._end(companion, namespace, name)
                return True
        return False

    def _end(self, companion: Companion, namespace: str, name: str) -> None:
        key, left = companion.key(namespace, name), companion.left(self._now)
        self._extra[key] = Delete(key) if left is None else Put(key, left, stamped=False)

    def _drop(self, entry: Entry) -> None:
        """Remove the object and what the server keeps on its behalf."""
        stored, rules = entry.message, rules_of(entry.kind)
        entry.remove()
        metadata = stored.metadata
        for companion in rules.companions:
            if not companion.ends_when_asked:
                self._end(companion, metadata.namespace, metadata.name)
        if rules.claims is not None:
            self._claims.release(rules.claims, stored)

    async def _bind(self, operation: Bind) -> Result:
        request = operation.request
        namespace, name = request.namespace, request.name
        entry = await self._existing(kinds.POD, namespace, name, "create", access.BINDING)
        stored = entry.message
        record_key = scheduling_record_key(namespace, name)
        before = await self._reader.get(record_key)
        decision = binding.decide(
            stored, request, before.value if before is not None else None, self._now
        )
        if decision.record is not None:
            self._extra[record_key] = Put(record_key, decision.record, stamped=False)
        if decision.pod is None:
            return Result(kinds.POD, entry.value, written=entry.changed)
        if owners.is_tracked(stored):
            writer = self._writer(kinds.POD)
            owners.note_writer(kinds.POD, stored, decision.pod, writer, self._now)
        entry.put(decision.pod)
        return Result(kinds.POD, entry.value, written=True)
