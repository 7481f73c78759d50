"""The cluster's past and who changed what: the calls of ``HistoryService``.

Owns: how the service's answers are read: packed bytes become objects of their kinds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from google.protobuf import any_pb2
from google.protobuf.message import Message

from podraft.api import kinds, times
from podraft.api.cluster.v1 import history_pb2
from podraft.api.kinds import AnyKind, Kind
from podraft.api.meta.v1 import meta_pb2
from podraft.client.calls.changes import (
    Moment,
    ObjectChange,
    ObjectHistory,
    ObjectVersion,
    Operation,
    RevisionChanges,
)
from podraft.client.connecting.connection import Connection

ObjectT = TypeVar("ObjectT", bound=Message)

_SERVICE = "/podraft.api.cluster.v1.HistoryService/"
_OPERATIONS: dict[int, Operation] = {
    history_pb2.CHANGE_OPERATION_CREATED: "created",
    history_pb2.CHANGE_OPERATION_UPDATED: "updated",
    history_pb2.CHANGE_OPERATION_DELETED: "deleted",
}


class HistoryClient:
    """The history calls; every method raises `errors.ApiError` or one of its subclasses."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def resolve(self, at: str = "") -> Moment:
        """Return what a revision, an RFC 3339 time or a duration before now means.

        Raises:
            CompactedError: The revision is no longer kept, or lies in the future.
        """
        found = await self._connection.read(
            f"{_SERVICE}ResolveRevision",
            history_pb2.ResolveRevisionRequest(at=at),
            history_pb2.ResolvedRevision.FromString,
        )
        return Moment(
            revision=found.revision,
            time=_time(found, "time"),
            oldest_revision=found.oldest_revision,
            oldest_time=_time(found, "oldest_time"),
            newest_revision=found.newest_revision,
            keep_seconds=found.keep_seconds,
            keep_revisions=found.keep_revisions,
            keep_bytes=found.keep_bytes,
        )

    async def object_history(
        self,
        kind: Kind[ObjectT],
        name: str,
        namespace: str = "",
        *,
        limit: int = 0,
        before_revision: int = 0,
    ) -> ObjectHistory[ObjectT]:
        """Return an object's kept versions; none if, as far as known, it never existed."""
        request = history_pb2.GetObjectHistoryRequest(
            api_version=kind.api_version,
            kind=kind.name,
            namespace=namespace,
            name=name,
            limit=limit,
            before_revision=before_revision,
        )
        found = await self._connection.read(
            f"{_SERVICE}GetObjectHistory", request, history_pb2.ObjectHistory.FromString
        )
        versions = [
            ObjectVersion(
                version.revision,
                _time(version, "time"),
                _OPERATIONS[version.operation],
                version.user,
                kind.message.FromString(version.object.value)
                if version.HasField("object")
                else None,
            )
            for version in found.versions
        ]
        return ObjectHistory(versions, found.more)

    async def revision(self, revision: int) -> RevisionChanges:
        """Return the changes made by the transaction of a revision.

        Raises:
            CompactedError: The revision is no longer kept, or lies in the future.
        """
        found = await self._connection.read(
            f"{_SERVICE}GetRevision",
            history_pb2.GetRevisionRequest(revision=revision),
            history_pb2.RevisionChanges.FromString,
        )
        changes = [_change(change) for change in found.changes]
        known = [change for change in changes if change is not None]
        return RevisionChanges(found.revision, _time(found, "time"), found.user, known)


def _change(change: history_pb2.ObjectChange) -> ObjectChange | None:
    packed = change.after if change.HasField("after") else change.before
    kind = kinds.BUILT_IN.by_message_name(packed.type_url.rpartition("/")[2])
    if kind is None:
        return None  # A newer server has a kind that this client does not know.
    before = _unpacked(kind, change.before) if change.HasField("before") else None
    after = _unpacked(kind, change.after) if change.HasField("after") else None
    return ObjectChange(kind, _OPERATIONS[change.operation], before, after)


def _unpacked(kind: AnyKind, packed: any_pb2.Any) -> Any:
    return kind.message.FromString(packed.value)


def _time(message: Message, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    time: meta_pb2.MicroTime = getattr(message, field)
    return times.datetime_of(time)
