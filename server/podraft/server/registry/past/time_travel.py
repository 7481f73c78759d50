"""Reads of what was: get and list at a moment.

Owns: what a moment means (a revision, a time, a duration before now), and which of it may be
told.  Invariants: only administrators look back; a secret value that is not today's never
leaves from here; a moment that is not kept is refused, saying what is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from podraft.api import times
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import requests_pb2
from podraft.api.violations import shown
from podraft.server.auth.authorize import Attributes
from podraft.server.kinds.rooms import rules_of
from podraft.server.registry import encoding, selection
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.registry.freshness import newest_revision
from podraft.server.registry.past.secret_values import SecretHashes
from podraft.server.registry.reads import pages
from podraft.server.registry.slices import Turns, Work
from podraft.server.state.datastore import Datastore, Record, RevisionCompactedError
from podraft.server.state.past import BeforeHistoryError, Kept, Past

HISTORY: Final = "history"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AT_CHARACTERS_MAX: Final = 64
# More digits than any revision has.
_REVISION_DIGITS_MAX: Final = 18
# Who watches Secrets may be away so long; a value that was replaced before is not replayed.
_SECRETS_RESUME_MS: Final = 300_000


def check_may_look_back(caller: Caller, verb: Literal["get", "list"] = "get") -> None:
    """Check that the caller is an administrator.

    Raises:
        RefusedError: It is not.
    """
    if not caller.unrestricted:
        caller(Attributes(verb, None, subresource=HISTORY))


def text_of(time_ms: int) -> str:
    """Return a time as messages write it."""
    if not time_ms:
        return "an unknown time"
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def now_ms() -> int:
    """Return the present time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Moments:
    """Finds the revision that was the newest at a moment."""

    def __init__(self, datastore: Datastore, past: Past | None) -> None:
        self._datastore = datastore
        self._past = past

    @property
    def past(self) -> Past:
        """What the store knows of the past.

        Raises:
            RefusedError: It keeps none.
        """
        if self._past is None:
            raise RefusedError(
                Code.FAILED_PRECONDITION, "this cluster's datastore keeps no history for podraft"
            )
        return self._past

    async def revision(self, at: str) -> int:
        """Return the revision that ``at`` means; empty: the newest.

        Raises:
            RefusedError: It is malformed, in the future, or no longer kept.
        """
        if not at:
            return await newest_revision(self._datastore)
        if len(at) <= _REVISION_DIGITS_MAX and at.isascii() and at.isdecimal():
            return await self.checked(int(at))
        moment_ms = _moment_ms(at)
        present_ms = now_ms()
        if moment_ms > present_ms:
            raise RefusedError(
                Code.OUT_OF_RANGE,
                f"at: {at} is in the future: the server's time is {text_of(present_ms)}",
            )
        # What was committed by then may not have been applied here yet.
        await newest_revision(self._datastore)
        try:
            return await self.past.revision_at(moment_ms)
        except BeforeHistoryError as error:
            raise too_old(at, error.kept) from None

    async def checked(self, revision: int) -> int:
        """Return ``revision``.

        Raises:
            RefusedError: It is in the future, or no longer kept.
        """
        newest = self._datastore.revision
        if revision > newest:
            newest = await newest_revision(self._datastore)
        if revision > newest:
            raise RefusedError(
                Code.OUT_OF_RANGE,
                f"at: revision {revision} is in the future: the newest is {newest}",
            )
        kept = await self.past.kept()
        if revision < kept.oldest:
            raise too_old(f"revision {revision}", kept)
        return revision


def too_old(what: str, kept: Kept) -> RefusedError:
    """Return the refusal of a moment that is no longer kept."""
    return RefusedError(
        Code.OUT_OF_RANGE,
        f"at: {what} is older than what is kept: "
        f"the oldest is revision {kept.oldest} of {text_of(kept.time_ms)}",
    )


def _moment_ms(at: str) -> int:
    try:
        if len(at) > _AT_CHARACTERS_MAX:
            raise ValueError
        if at[:1].isdecimal() and at[-1:].isalpha() and "-" not in at:
            return now_ms() - int(times.parse_duration_s(at) * 1000)
        delta = times.parse_rfc3339(at) - _EPOCH
        return delta // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise invalid(
            "at",
            f"{shown(at)}: expected a revision, an RFC 3339 time such as 2026-01-02T03:04:05Z, "
            "or a duration before now such as 10m",
        ) from None


class PastReads:
    """Get and list, as it was."""

    def __init__(
        self,
        datastore: Datastore,
        past: Past | None,
        caches: Caches,
        hashes: SecretHashes,
        cluster_key: bytes,
        turns: Turns,
    ) -> None:
        self.turns = turns
        # What only servers of the cluster know: it seals the tokens that open a revision.
        self.cluster_key = cluster_key
        self._datastore = datastore
        self._caches = caches
        self._hashes = hashes
        self._past = past
        self.moments = Moments(datastore, past)

    async def get(self, kind: AnyKind, request: requests_pb2.GetRequest, caller: Caller) -> bytes:
        """Return one object's bytes at the request's moment.

        Raises:
            RefusedError: The caller, the moment or the object's values do not allow it.
        """
        check_may_look_back(caller)
        key = pages.target_key(kind, request.namespace, request.name)
        record = await self._record(key, await self.moments.revision(request.at))
        if record is None:
            missing = pages.not_found(kind, request.namespace, request.name)
            when = f" at {request.at}" if request.at else ""
            raise RefusedError(missing.code, f"{missing.message}{when}")
        work = self.turns.work(caller.author)
        return (await self._told(kind, (record,), work, hidden=request.hash_secret_values))[0]

    async def value(self, key: bytes, at: str, caller: Caller) -> bytes | None:
        """Return what ``key``, which is no object, held at a moment; None: nothing."""
        check_may_look_back(caller)
        record = await self._record(key, await self.moments.revision(at))
        return None if record is None else record.value

    async def page(
        self,
        wanted: selection.Selection,
        request: requests_pb2.ListRequest,
        caller: Caller,
    ) -> encoding.Parts:
        """Return one page of objects at the request's moment, as an encoded list.

        Raises:
            RefusedError: The caller, the moment or the objects' values do not allow it.
        """
        revision = 0
        if request.at or request.hash_secret_values:
            check_may_look_back(caller, "list")
            if not request.continue_token:
                revision = await self.moments.revision(request.at)
        key = pages.list_key(self.cluster_key, caller.author, wanted.kind, request)
        work = self.turns.work(caller.author)
        records, metadata = await pages.list_page(
            self._datastore, self._caches.of(wanted.kind), wanted, request, key, work, revision
        )
        hidden = request.hash_secret_values
        values = await self._told(wanted.kind, records, work, hidden=hidden)
        return encoding.encode_list(values, metadata)

    async def check_resume(self, kind: AnyKind, resource_version: str) -> None:
        """Check that a watch of secret values does not begin where it would replay former values.

        Raises:
            RevisionCompactedError: It would; whoever watches lists again.
        """
        if rules_of(kind).secrecy is None or not resource_version.isdecimal():
            return
        following = int(resource_version[:_REVISION_DIGITS_MAX]) + 1
        newest = self._datastore.revision
        if following > newest or self._past is None:
            return
        if await self._past.time_of(following) < now_ms() - _SECRETS_RESUME_MS:
            raise RevisionCompactedError(following - 1, newest)

    async def _record(self, key: bytes, revision: int) -> Record | None:
        # The smallest key above all smaller ones that begin like this is this one.
        page = await self._datastore.range(key, limit=1, revision=revision)
        found = page.records[0] if page.records else None
        return found if found is not None and found.key == key else None

    async def _told(
        self, kind: AnyKind, records: Sequence[Record], work: Work, *, hidden: bool
    ) -> list[bytes]:
        """Return the records' values as they may be told."""
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
    what = pages.described(kind, namespace, name)
    why = "it has been deleted since" if gone else "its values have changed since"
    return RefusedError(
        Code.PERMISSION_DENIED,
        f"{what}: {why}, and values that are not today's are not given out; "
        "its history shows keys and hashes",
    )
