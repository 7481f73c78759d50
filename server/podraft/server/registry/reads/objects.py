"""Get, list and watch: what callers are told of objects.

Owns: the checks before an object is shown, and which reads are of the past.  Invariant: a caller
that may not read an object does not learn whether it exists.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TypeAlias

from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import meta_pb2, requests_pb2
from podraft.api.scales import scale_of
from podraft.server.auth import authorize as access
from podraft.server.auth.authorize import Attributes
from podraft.server.kinds.rooms import rules_of
from podraft.server.registry import pages, selection
from podraft.server.registry.access.callers import Caller, note
from podraft.server.registry.access.live_rights import LiveRights
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.cache.watch_starts import start_of
from podraft.server.registry.cache.watches import Watches
from podraft.server.registry.encoding import Costly, Parts, encode_list
from podraft.server.registry.past.past_reads import PastReads
from podraft.server.registry.reads.moments import moment_of
from podraft.server.registry.selection import Selection
from podraft.server.registry.slices import Turns
from podraft.server.registry.targets import not_found, target_key
from podraft.server.state.datastore import Datastore
from podraft.server.state.reads import Reads

# From the stored values of a page, and what is said of the page, to an answer.
Form: TypeAlias = "Callable[[Sequence[bytes], meta_pb2.ListMeta], Awaitable[Parts]]"


async def _as_list(values: Sequence[bytes], metadata: meta_pb2.ListMeta) -> Parts:
    return encode_list(values, metadata)


class ObjectReads:
    """Reads of objects of all kinds.

    ``stale_reads`` ask no other member and may be old; ``tokens_key`` seals the tokens of lists.
    """

    def __init__(
        self,
        datastore: Datastore,
        stale_reads: Reads,
        caches: Caches,
        past_reads: PastReads,
        live: LiveRights,
        turns: Turns,
        tokens_key: bytes,
    ) -> None:
        self._datastore = datastore
        self._stale_reads = stale_reads
        self._caches = caches
        self._watches = Watches(datastore, caches, stale_reads)
        self._past_reads = past_reads
        self._live = live
        self._turns = turns
        self._tokens_key = tokens_key

    async def get_scale(
        self, kind: AnyKind, request: requests_pb2.GetRequest, caller: Caller
    ) -> bytes:
        """Return the bytes of an object's scale; raise as `get` does."""
        found = await self.get(kind, request, caller, access.SCALE)
        return scale_of(kind, kind.message.FromString(found)).SerializeToString()

    async def get(
        self,
        kind: AnyKind,
        request: requests_pb2.GetRequest,
        caller: Caller,
        subresource: str = "",
    ) -> bytes:
        """Return an object's bytes, to a caller that may read it, or its sub-resource.

        Raises:
            RefusedError: There is none, or the caller may not read it.
        """
        if request.at or request.hash_secret_values:
            return await self._past_reads.get(kind, request, caller)
        namespace, name = request.namespace, request.name
        key = target_key(kind, namespace, name)
        reads = self._stale_reads if request.allow_stale else self._datastore
        record = await reads.get(key)
        if not caller.unrestricted:
            stored = self._caches.of(kind).objects.of(record) if record is not None else None
            caller(Attributes("get", kind, namespace, name, subresource, stored=stored))
        else:
            note(Attributes("get", kind, namespace, name, subresource))
        if record is None:
            raise not_found(kind, namespace, name)
        return record.value

    async def list(
        self,
        kind: AnyKind,
        request: requests_pb2.ListRequest,
        caller: Caller,
        form: Form = _as_list,
    ) -> Parts | Costly:
        """Return one page of objects in a form, which is that of an encoded list.

        Raises:
            RefusedError: The request is malformed, or the caller may not make it.
            RevisionCompactedError: The revision that it asks for is no longer kept.
            FutureRevisionError: That revision has not been reached.
        """
        caller(Attributes("list", kind, request.namespace, field_selector=request.field_selector))
        wanted = selection.parse(
            kind, request.namespace, request.label_selector, request.field_selector
        )
        moment = moment_of(request)
        # An older revision may have secret values that may not be shown any more.
        older = bool(request.continue_token or moment.exact) and rules_of(kind).secrecy is not None
        if request.at or request.hash_secret_values or older:
            return Costly(partial(self._past_list, wanted, request, caller, moment.exact, form))
        key = pages.list_key(self._tokens_key, caller.author, kind, request)
        work, cache = self._turns.work(caller.author), self._caches.of(kind)
        # What this server has applied is new enough, unless the request says otherwise.
        known = moment.may_be_old or 0 < moment.reached <= self._datastore.revision
        reads = self._stale_reads if known else self._datastore
        records, metadata = await pages.list_page(
            reads, cache, wanted, request, key, work, moment.exact
        )
        moment.check(int(metadata.resource_version))
        return await form([record.value for record in records], metadata)

    async def _past_list(
        self,
        wanted: Selection,
        request: requests_pb2.ListRequest,
        caller: Caller,
        revision: int,
        form: Form,
    ) -> Parts:
        return await form(*await self._past_reads.page(wanted, request, caller, revision))

    @asynccontextmanager
    async def watch(
        self, kind: AnyKind, request: requests_pb2.WatchRequest, caller: Caller
    ) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """Return a watch's responses; end what the present task does inside with the right to it.

        Raises:
            RefusedError: The request is malformed, or the caller may not make it (any more).
        """
        attributes = Attributes(
            "watch", kind, request.namespace, field_selector=request.field_selector
        )
        caller(attributes)
        wanted = selection.parse(
            kind, request.namespace, request.label_selector, request.field_selector
        )
        begin = start_of(request)
        work = self._turns.work(caller.author)
        with self._live.held(caller, attributes):
            if begin.revision and not begin.shows_objects:
                await self._past_reads.check_resume(kind, begin.revision)
            stream = self._watches.stream(wanted, begin, work)
            async with aclosing(stream) as responses:
                yield responses
