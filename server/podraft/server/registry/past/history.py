"""The history of changes: their authors and times.

Owns: what is told of changes, and how much at once.  Invariants: callers are told of what they may
read, and of secret values only administrators are; these are shown by ``SecretHashes`` alone; keys
that hold no object are not told.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from google.protobuf import any_pb2

from podraft.api import times
from podraft.api.cluster.v1 import history_pb2
from podraft.api.kinds import AnyKind, KnownKinds
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import shown
from podraft.server.auth.authorize import Attributes
from podraft.server.registry import keys
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.registry.past.moments import EPOCH, Moments, check_may_look_back, too_old
from podraft.server.registry.past.secret_values import SecretHashes
from podraft.server.registry.slices import Turns
from podraft.server.registry.targets import target_key
from podraft.server.state.datastore import Event, RevisionCompactedError
from podraft.server.state.past import ChangeTooLargeError, Kept, Version

VERSIONS_DEFAULT: Final = 100
VERSIONS_MAX: Final = 500
_VERSIONS_BYTES_MAX: Final = 16 * 1024 * 1024
_CHANGE_BYTES_MAX: Final = 64 * 1024 * 1024
_TYPE_URL: Final = "type.googleapis.com/"


class History:
    """The history of objects, in the contract's words."""

    def __init__(
        self, moments: Moments, hashes: SecretHashes, turns: Turns, known: KnownKinds
    ) -> None:
        self._known = known
        self._moments = moments
        self._turns = turns
        self._hashes = hashes

    async def resolve(self, request: history_pb2.ResolveRevisionRequest, caller: Caller) -> bytes:
        """Return the revision that a moment means, and which revisions are kept."""
        check_may_look_back(caller)
        revision = await self._moments.revision(request.at)
        past = self._moments.past
        kept = await past.kept()
        return history_pb2.ResolvedRevision(
            revision=revision,
            time=_time(await past.time_of(revision)),
            oldest_revision=kept.oldest,
            oldest_time=_time(kept.time_ms),
            keep_seconds=int(kept.retention.keep_s),
            keep_revisions=kept.retention.keep_revisions,
            keep_bytes=kept.retention.keep_bytes,
            newest_revision=kept.newest,
        ).SerializeToString()

    async def object_history(
        self, request: history_pb2.GetObjectHistoryRequest, caller: Caller
    ) -> bytes:
        """Return one object's versions, the newest first."""
        kind = self._known.by_manifest(request.api_version, request.kind)
        if kind is None:
            what = f"{shown(request.kind)} in {shown(request.api_version)}"
            raise invalid("kind", f"{what} is no stored kind")
        key = target_key(kind, request.namespace, request.name)
        check_may_look_back(caller, Attributes("get", kind, request.namespace, request.name))
        if not 0 <= request.limit <= VERSIONS_MAX:
            raise invalid("limit", f"expected 0 to {VERSIONS_MAX}, got {request.limit}")
        if request.before_revision < 0:
            raise invalid("beforeRevision", "must not be negative")
        await self._moments.revision("")
        versions = await self._moments.past.versions(
            key,
            before=request.before_revision,
            limit=request.limit or VERSIONS_DEFAULT,
            bytes_max=_VERSIONS_BYTES_MAX,
        )
        told, work = [], self._turns.work(caller.author)
        for version in versions.items:
            with work:
                told.append(self._version(kind, version))
            await work.rest()
        return history_pb2.ObjectHistory(versions=told, more=versions.more).SerializeToString()

    def _version(self, kind: AnyKind, version: Version) -> history_pb2.ObjectVersion:
        if version.value is None:
            operation = history_pb2.CHANGE_OPERATION_DELETED
        elif version.is_first:
            operation = history_pb2.CHANGE_OPERATION_CREATED
        else:
            operation = history_pb2.CHANGE_OPERATION_UPDATED
        return history_pb2.ObjectVersion(
            revision=version.revision,
            time=_time(version.time_ms),
            operation=operation,
            user=version.author.decode("utf-8", "replace"),
            object=self._packed(kind, version.value),
        )

    async def revision_changes(
        self, request: history_pb2.GetRevisionRequest, caller: Caller
    ) -> bytes:
        """Return the changes of one transaction."""
        check_may_look_back(caller)
        revision = request.revision
        if revision <= 0:
            raise invalid("revision", "must be positive")
        await self._moments.checked(revision)
        past = self._moments.past
        try:
            change = await past.change(revision, bytes_max=_CHANGE_BYTES_MAX)
        except RevisionCompactedError as error:
            # The oldest state is kept, but not the one before it.
            kept = await past.kept()
            oldest = Kept(
                error.oldest, await past.time_of(error.oldest), kept.newest, kept.retention
            )
            raise too_old(f"the change of revision {revision}", oldest) from None
        except ChangeTooLargeError:
            raise RefusedError(
                Code.RESOURCE_EXHAUSTED,
                f"revision {revision} changed more than {_CHANGE_BYTES_MAX >> 20} MiB of objects",
            ) from None
        changes, work = [], self._turns.work(caller.author)
        for event in sorted(change.events, key=lambda e: e.key):
            with work:
                told = self._change(event, caller)
            if told is not None:
                changes.append(told)
            await work.rest()
        return history_pb2.RevisionChanges(
            revision=revision,
            time=_time(change.time_ms),
            user=change.author.decode("utf-8", "replace"),
            changes=changes,
        ).SerializeToString()

    def _change(self, event: Event, caller: Caller) -> history_pb2.ObjectChange | None:
        kind = keys.kind_of(event.key, self._known)
        if kind is None or not _may_see(caller, kind, event.key):
            return None
        previous = None if event.previous is None else event.previous.value
        if event.value is None:
            operation = history_pb2.CHANGE_OPERATION_DELETED
        elif previous is None:
            operation = history_pb2.CHANGE_OPERATION_CREATED
        else:
            operation = history_pb2.CHANGE_OPERATION_UPDATED
        return history_pb2.ObjectChange(
            operation=operation,
            before=self._packed(kind, previous),
            after=self._packed(kind, event.value),
        )

    def _packed(self, kind: AnyKind, value: bytes | None) -> any_pb2.Any | None:
        if value is None:
            return None
        hidden = self._hashes.hidden(kind, value)
        return any_pb2.Any(type_url=_TYPE_URL + kind.message.DESCRIPTOR.full_name, value=hidden)


def _may_see(caller: Caller, kind: AnyKind, key: bytes) -> bool:
    """Return whether a caller may be told of a change of the object at ``key``."""
    namespace, name = keys.names_in(kind, key)
    try:
        check_may_look_back(caller, Attributes("get", kind, namespace, name))
    except RefusedError:
        return False
    return True


def _time(time_ms: int) -> meta_pb2.MicroTime | None:
    return times.micro_time_of(EPOCH + timedelta(milliseconds=time_ms)) if time_ms else None
