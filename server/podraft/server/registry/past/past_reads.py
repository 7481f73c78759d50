"""Get and list at a moment of the past.

Invariant: a secret value that is not today's never leaves from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import meta_pb2, requests_pb2
from podraft.server.auth.authorize import Attributes
from podraft.server.kinds.rooms import rules_of
from podraft.server.registry import pages
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.past.moments import Moments, check_may_look_back, now_ms
from podraft.server.registry.past.secret_values import SecretHashes
from podraft.server.registry.selection import Selection
from podraft.server.registry.slices import Turns, Work
from podraft.server.registry.targets import described, not_found, target_key
from podraft.server.state.datastore import Datastore, Record, RevisionCompactedError
from podraft.server.state.past import Past

# A watcher of Secrets may be away so long; values that were replaced earlier are not replayed.
_SECRETS_RESUME_MS: Final = 300_000


class PastReads:
    """Get and list at a moment of the past."""

    def __init__(
        self,
        datastore: Datastore,
        past: Past | None,
        caches: Caches,
        hashes: SecretHashes,
        tokens_key: bytes,
        turns: Turns,
    ) -> None:
        self._turns = turns
        # A key that only servers of the cluster know; it seals the tokens that open a revision.
        self._tokens_key = tokens_key
        self._datastore = datastore
        self._caches = caches
        self._hashes = hashes
        self._past = past
        self._moments = Moments(datastore, past)

    async def get(self, kind: AnyKind, request: requests_pb2.GetRequest, caller: Caller) -> bytes:
        """Return one object's bytes at the request's moment.

        Raises:
            RefusedError: The caller, the moment or the object's values do not allow it.
        """
        key = target_key(kind, request.namespace, request.name)
        check_may_look_back(caller, Attributes("get", kind, request.namespace, request.name))
        record = await self._record(key, await self._moments.revision(request.at))
        if record is None:
            missing = not_found(kind, request.namespace, request.name)
            when = f" at {request.at}" if request.at else ""
            raise RefusedError(missing.code, f"{missing.message}{when}")
        work = self._turns.work(caller.author)
        return (await self._told(kind, (record,), work, hidden=request.hash_secret_values))[0]

    async def value(self, key: bytes, at: str, caller: Caller) -> bytes | None:
        """Return what ``key``, which names no object, held at a moment; None if nothing.

        The caller may read what the key holds now.
        """
        check_may_look_back(caller)
        record = await self._record(key, await self._moments.revision(at))
        return None if record is None else record.value

    async def page(
        self,
        wanted: Selection,
        request: requests_pb2.ListRequest,
        caller: Caller,
        revision: int = 0,
    ) -> tuple[list[bytes], meta_pb2.ListMeta]:
        """Return the values of one page of objects, at the request's moment or at ``revision``.

        Raises:
            RefusedError: The caller, the moment or the objects' values do not allow it.
            RevisionCompactedError: ``revision`` is no longer kept.
        """
        if request.at or request.hash_secret_values:
            namespace, selector = request.namespace, request.field_selector
            asked = Attributes("list", wanted.kind, namespace, field_selector=selector)
            check_may_look_back(caller, asked)
            if not request.continue_token:
                revision = await self._moments.revision(request.at)
        key = pages.list_key(self._tokens_key, caller.author, wanted.kind, request)
        work = self._turns.work(caller.author)
        records, metadata = await pages.list_page(
            self._datastore, self._caches.of(wanted.kind), wanted, request, key, work, revision
        )
        hidden = request.hash_secret_values
        return await self._told(wanted.kind, records, work, hidden=hidden), metadata

    async def check_resume(self, kind: AnyKind, revision: int) -> None:
        """Check that a watch of secret values does not begin where it would replay former values.

        Raises:
            RevisionCompactedError: It would; the watcher lists again.
        """
        if rules_of(kind).secrecy is None:
            return
        following = revision + 1
        newest = self._datastore.revision
        if following > newest or self._past is None:
            return
        if await self._past.time_of(following) < now_ms() - _SECRETS_RESUME_MS:
            raise RevisionCompactedError(following - 1, newest)

    async def _record(self, key: bytes, revision: int) -> Record | None:
        # If the key exists, it is the smallest of all keys with this prefix.
        page = await self._datastore.range(key, limit=1, revision=revision)
        found = page.records[0] if page.records else None
        return found if found is not None and found.key == key else None

    async def _told(
        self, kind: AnyKind, records: Sequence[Record], work: Work, *, hidden: bool
    ) -> list[bytes]:
        """Return the records' values as they may be shown."""
        secrecy = rules_of(kind).secrecy
        if secrecy is None:
            return [record.value for record in records]
        if hidden:
            told = []
            with work:
                for record in records:
                    told.append(self._hashes.hidden(kind, record.value))
                    if work.is_long:
                        await work.pause()
            return told
        for record in records:
            current = await self._datastore.get(record.key)
            if current is not None and current.mod_revision == record.mod_revision:
                continue
            with work:
                present = None if current is None else kind.message.FromString(current.value)
                if not secrecy.is_current(kind.message.FromString(record.value), present):
                    raise _not_told(kind, record.key, gone=current is None)
                if work.is_long:
                    await work.pause()
        return [record.value for record in records]


def _not_told(kind: AnyKind, key: bytes, *, gone: bool) -> RefusedError:
    _, namespace, name = key.decode().split("/", 2)
    what = described(kind, namespace, name)
    why = "it has been deleted since" if gone else "its values have changed since"
    return RefusedError(
        Code.PERMISSION_DENIED,
        f"{what}: {why}, and values that are not today's are not given out; "
        "its history shows keys and hashes",
    )
