"""The cluster's past and who changed what, as the calls of `history` return it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from google.protobuf.message import Message

from podraft.api.kinds import AnyKind

ObjectT = TypeVar("ObjectT", bound=Message)
Operation: TypeAlias = Literal["created", "updated", "deleted"]


@dataclass(frozen=True, slots=True)
class Moment:
    """A revision, its time (None if unknown), and how far back the history goes."""

    revision: int
    time: datetime | None
    oldest_revision: int
    oldest_time: datetime | None
    newest_revision: int
    keep_seconds: int
    keep_revisions: int
    keep_bytes: int


@dataclass(frozen=True, slots=True)
class ObjectVersion(Generic[ObjectT]):
    """One version of an object.

    ``object`` is None for a deletion, ``time`` None if unknown.  Secrets hold keyed hashes.
    """

    revision: int
    time: datetime | None
    operation: Operation
    user: str
    object: ObjectT | None


@dataclass(frozen=True, slots=True)
class ObjectHistory(Generic[ObjectT]):
    """An object's versions, newest first; ``more`` says that older ones are kept."""

    versions: Sequence[ObjectVersion[ObjectT]]
    more: bool


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """The effect of one transaction on one object; None where it did not, or does not, exist."""

    kind: AnyKind
    operation: Operation
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class RevisionChanges:
    """The changes of one transaction, when and by whom (empty: the API server itself)."""

    revision: int
    time: datetime | None
    user: str
    changes: Sequence[ObjectChange]
