"""Deleting all objects of a kind that match, in one call.

Owns: the way through the objects, batch by batch, and what a refusal in the middle says.

Invariants: only objects that existed when the call began are deleted, each as the very object that
was seen; a batch is one transaction, so what one call holds at once is bounded; an object that
vanishes meanwhile is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import requests_pb2
from podraft.api.objects.deletion import is_deleting
from podraft.api.violations import InvalidObjectError
from podraft.server.auth.authorize import Attributes
from podraft.server.registry import selection
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.errors import RefusedError
from podraft.server.registry.failures import translate
from podraft.server.registry.slices import Turns, Work
from podraft.server.registry.targets import described
from podraft.server.registry.writes.operations import DeleteObject
from podraft.server.registry.writes.writer import Writer
from podraft.server.state.datastore import Datastore, Record
from podraft.server.values import value

_BATCH_OBJECTS: Final = 500
_OBJECTS_MAX: Final = 50_000


@value
class _Granted:
    """The right to delete each object, for a caller that may delete them all."""

    author: bytes

    @property
    def unrestricted(self) -> bool:
        return True

    def __call__(self, attributes: Attributes) -> None:
        """Allow the call."""


class Collections:
    """The deletion of collections of all kinds."""

    def __init__(self, datastore: Datastore, caches: Caches, writer: Writer, turns: Turns) -> None:
        self._datastore = datastore
        self._caches = caches
        self._writer = writer
        self._turns = turns

    async def delete(
        self, kind: AnyKind, request: requests_pb2.DeleteCollectionRequest, caller: Caller
    ) -> bytes:
        """Delete the objects that match; return the encoded response.

        Raises:
            RefusedError: The request is malformed, the caller may not make it, or the deletion of
                an object is refused; those before it are deleted.
        """
        namespace, fields = request.namespace, request.field_selector
        caller(Attributes("deletecollection", kind, namespace, field_selector=fields))
        wanted = selection.parse(kind, namespace, request.label_selector, fields)
        work, cache = self._turns.work(caller.author), self._caches.of(kind)
        deletion = _Deletion(
            self._datastore, self._writer, kind, request.options, _Granted(caller.author), work
        )
        began, last_key, more = 0, b"", True
        while more:
            if len(deletion.response.objects) >= _OBJECTS_MAX:
                deletion.response.more = True
                break
            page = await self._datastore.range(
                wanted.prefix, start_after=last_key, limit=_BATCH_OBJECTS
            )
            began, more = began or page.revision, page.more
            records = await cache.selected(page.records, wanted, work)
            await deletion.delete([each for each in records if each.create_revision <= began])
            last_key = page.records[-1].key if page.records else last_key
        return deletion.response.SerializeToString()


class _Deletion:
    """One call: how each object is deleted, and what became of those before."""

    def __init__(
        self,
        datastore: Datastore,
        writer: Writer,
        kind: AnyKind,
        options: requests_pb2.DeleteOptions,
        granted: _Granted,
        work: Work,
    ) -> None:
        self._datastore = datastore
        self._writer = writer
        self._kind = kind
        self._options = options
        self._granted = granted
        self._work = work
        self.response = requests_pb2.DeleteCollectionResponse()

    async def delete(self, records: Sequence[Record]) -> None:
        """Delete objects in one transaction, or, if that is refused, up to the one that cannot.

        Raises:
            RefusedError: An object cannot be deleted.
        """
        if not records:
            return
        operations = []
        with self._work:
            for record in records:
                operations.append(self._operation(record))
                if self._work.is_long:
                    await self._work.pause()
        try:
            await self._write(operations)
        except (RefusedError, InvalidObjectError):
            for record, operation in zip(records, operations, strict=True):
                await self._delete_one(record, operation)

    async def _delete_one(self, record: Record, operation: DeleteObject) -> None:
        try:
            await self._write((operation,))
        except (RefusedError, InvalidObjectError) as error:
            current = await self._datastore.get(record.key)
            if current is None or current.create_revision != record.create_revision:
                return  # Somebody else has deleted it.
            refusal = translate(error)
            what = described(self._kind, operation.request.namespace, operation.request.name)
            before = len(self.response.objects)
            message = f"{what}: {refusal.message} (deleted before it: {before})"
            raise RefusedError(
                refusal.code, message, refusal.violations, retry_s=refusal.retry_s
            ) from None

    def _operation(self, record: Record) -> DeleteObject:
        metadata = self._kind.message.FromString(record.value).metadata
        request = requests_pb2.DeleteRequest(
            namespace=metadata.namespace, name=metadata.name, options=self._options
        )
        request.options.request_id = b""
        if not request.options.preconditions.uid:
            request.options.preconditions.uid = metadata.uid
        return DeleteObject(self._kind, request)

    async def _write(self, operations: Sequence[DeleteObject]) -> None:
        options, response = self._options, self.response
        outcome = await self._writer.write(operations, self._granted, dry_run=options.dry_run)
        if outcome.revision:
            response.resource_version = str(outcome.revision)
        with self._work:
            for result in outcome.results:
                metadata = self._kind.message.FromString(result.value).metadata
                response.objects.add(
                    namespace=metadata.namespace,
                    name=metadata.name,
                    uid=metadata.uid,
                    ends_later=is_deleting(metadata),
                )
                if self._work.is_long:
                    await self._work.pause()
