"""The input and output of planners.

Owns: the snapshot that they read and the plan that they return.

Invariant: nothing here does I/O or reads a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

from google.protobuf.message import Message

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.kinds import AnyKind, Kind, KnownKinds

ObjectT = TypeVar("ObjectT", bound=Message)


class ObjectKey(NamedTuple):
    """The name of the object that a controller looks at."""

    namespace: str
    name: str


class Snapshot(Protocol):
    """The objects as this process sees them now; shared, never changed."""

    @property
    def known(self) -> KnownKinds:
        """The kinds that exist."""

    def get(self, kind: Kind[ObjectT], name: str, namespace: str = "") -> ObjectT | None:
        """Return one object, or None."""

    def list(self, kind: Kind[ObjectT]) -> Sequence[ObjectT]:
        """Return all objects of a kind."""

    def by_index(self, kind: Kind[ObjectT], index: str, value: str) -> Sequence[ObjectT]:
        """Return the objects of a kind that an index holds under ``value``."""

    def changed_at(self, kind: AnyKind, name: str, namespace: str = "") -> float | None:
        """Return when an object was last seen to change, by the steady clock of ``now``.

        Only for Leases; None if it does not exist.
        """


@dataclass(frozen=True, slots=True)
class Happening:
    """An event to report to users; ``regarding`` is the object that it happened to."""

    regarding: Message
    type: Literal["Normal", "Warning"]
    reason: str
    note: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The claim that no object of this uid exists (empty: none of this name)."""

    kind: AnyKind
    namespace: str
    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The next step of one key towards its declared state.

    ``writes`` are committed together, then ``events`` recorded.  ``absent`` is checked against
    the API server first, because another informer may lag behind and the writes cannot
    be undone.  ``requeue_after_s``: the seconds after which time alone may change the plan.
    """

    writes: tuple[commit_pb2.Write, ...] = ()
    events: tuple[Happening, ...] = ()
    requeue_after_s: float | None = None
    absent: tuple[Absent, ...] = ()
