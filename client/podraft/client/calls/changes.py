"""What was, and who made it so, as the calls of `history` return it."""

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
    """A revision and when it was made (None: not known), and how far back history goes."""

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
    """One version; ``object`` is None when it was deleted, ``time`` None when it is not known.

    A Secret's values are keyed hashes.
    """

    revision: int
    time: datetime | None
    operation: Operation
    user: str
    object: ObjectT | None


@dataclass(frozen=True, slots=True)
class ObjectHistory(Generic[ObjectT]):
    """Versions, the newest first; ``more``: older ones are kept."""

    versions: Sequence[ObjectVersion[ObjectT]]
    more: bool


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """What one transaction did to one object; None where there was, or is, none."""

    kind: AnyKind
    operation: Operation
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class RevisionChanges:
    """What one transaction changed, when and by whom (empty: the API server itself)."""

    revision: int
    time: datetime | None
    user: str
    changes: Sequence[ObjectChange]
