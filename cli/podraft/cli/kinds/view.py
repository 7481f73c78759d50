"""Views of a kind's objects: what describing and explaining them needs, and what they say.

Owns: the base view, which the views of single kinds extend.  Pure: a view names what it needs to
know around an object (`Need`), `sessions.around` reads it.

Invariant: a kind without a view of its own is described by its metadata and as YAML, and
explained as far as its conditions and events go.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, ClassVar, Generic, TypeVar

from google.protobuf.message import Message

from podraft.api import codec
from podraft.api.characters import one_line
from podraft.api.columns.events import event_last_s
from podraft.api.core.v1 import scheduling_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.deletion import is_deleting
from podraft.cli.output.documents import as_yaml
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import block, indented
from podraft.cli.plans.rollouts import Progress

ObjectT = TypeVar("ObjectT", bound=Message)

_EVENTS_SHOWN = 8
# What the first lines of a description say.
_HEAD = frozenset({"apiVersion", "kind", "metadata"})


class Need(Enum):
    """The kinds of reads around an object; a view needs at most one selection of pods."""

    EVENTS = auto()
    REPLICA_SETS = auto()
    SLICES = auto()
    SELECTED_PODS = auto()
    NAMESPACE_PODS = auto()
    NODE_PODS = auto()
    RECORD = auto()
    POD_RECORDS = auto()
    LAST_WORDS = auto()
    CONTENTS = auto()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The results of the reads around an object; fields that its view did not need are empty.

    Replica sets are sorted with the oldest revision first.  `record` says why a pod is where it
    is; `pod_records`, by pod name, why the pods without a node have none; `last_words` are the
    last lines of containers that ended; `contents` are some of the objects in a namespace.
    """

    events: Sequence[Any] = ()
    replica_sets: Sequence[Any] = ()
    slices: Sequence[Any] = ()
    pods: Sequence[Any] = ()
    record: scheduling_pb2.SchedulingRecord | None = None
    pod_records: Mapping[str, scheduling_pb2.SchedulingRecord] = field(default_factory=dict)
    last_words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    contents: Sequence[Any] = ()
    more_contents: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """An explanation of an object's state: a status word, the rest of its line, further lines."""

    lines: Sequence[str]
    word: str = ""
    rest: str = ""


class View(Generic[ObjectT]):
    """A view of a kind's objects; this base serves the kinds without a view of their own."""

    describe_needs: ClassVar[frozenset[Need]] = frozenset({Need.EVENTS})

    def describe(self, obj: ObjectT, around: Surroundings, now_s: float, /) -> list[str]:
        """Return the lines that show an object in full, with its events."""
        return self.body(obj, around, now_s) + common.events(around.events, now_s)

    def body(self, obj: ObjectT, around: Surroundings, now_s: float, /) -> list[str]:
        """Return the lines of an object without its events."""
        metadata: meta_pb2.ObjectMeta = obj.metadata  # type: ignore[attr-defined]  # every object has it
        said = codec.to_json(obj)
        rest = {name: value for name, value in said.items() if name not in _HEAD}
        lines = block(common.metadata(metadata, namespaced=bool(metadata.namespace)))
        return lines + (as_yaml(rest).splitlines() if rest else [])

    def why_needs(self, obj: ObjectT, /) -> frozenset[Need]:
        """Return what is needed to explain an object."""
        return frozenset({Need.EVENTS})

    def why(self, obj: ObjectT, around: Surroundings, now_s: float, /) -> Explanation:
        """Return why an object is in its present state."""
        return Explanation(_generic(obj) + latest_events(around.events, now_s))

    def held_by(self, obj: ObjectT, /) -> str:
        """Return what an object that is being deleted waits for."""
        return _held_by(obj)


class RunningView(View[ObjectT], ABC):
    """A view of a kind whose objects run something that a command can wait for."""

    # Whether waiting also shows the state of the pods that the object selects.
    tells_of_pods: ClassVar[bool] = False
    # Whether a change of the object's template is rolled out: `rollout` follows and restarts it.
    rolls_out: ClassVar[bool] = False

    @abstractmethod
    def progress(self, obj: ObjectT, now_s: float, /) -> Progress:
        """Return how far an object is on its way to running as it should."""


def _held_by(obj: Any) -> str:
    metadata = obj.metadata
    if not is_deleting(metadata):
        return "not being deleted"
    if metadata.finalizers:
        return f"waits for {', '.join(metadata.finalizers)}"
    if metadata.deletion_grace_period_seconds:
        return f"terminating, with up to {metadata.deletion_grace_period_seconds}s to end"
    return "terminating"


def latest_events(events: Sequence[Any], now_s: float) -> list[str]:
    """Return the lines that end an explanation: the latest events, if there are any."""
    if not events:
        return []
    latest = sorted(events, key=event_last_s)[-_EVENTS_SHOWN:]
    return ["", *common.events(latest, now_s)]


def bullets(reasons: Sequence[str]) -> list[str]:
    """Return the lines of a bulleted list of reasons."""
    return [f"  - {one_line(reason)}" for reason in reasons]


def _generic(obj: Any) -> list[str]:
    """Return what the metadata, conditions and taints of any object say."""
    lines: list[str] = []
    conditions = getattr(getattr(obj, "status", None), "conditions", ())
    if conditions:
        lines += ["", "Conditions:", *indented(common.conditions(conditions).lines)]
    taints = getattr(getattr(obj, "spec", None), "taints", ())
    lines += [f"  taint {t.key}:{t.effect} keeps pods without a toleration away" for t in taints]
    if is_deleting(obj.metadata):
        held = ", ".join(obj.metadata.finalizers) or "nothing that it says"
        lines.append(f"  it is being deleted; held by {held}")
    return lines
