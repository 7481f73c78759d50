"""The pods that wait for a node.

Owns: the order and the times in which pods are tried.  Invariants: a pod is in exactly one
of three states (ready, waiting for its back-off or a change, taken by a batch); ready
pods are tried by their priorities, among equal ones first come, first served; at most one
entry per pod, so the queue never holds more than the cluster does.  Pure: the time is passed in.
"""

from __future__ import annotations

import enum
import heapq
import itertools
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from podraft.server.scheduling.core.demand import PendingPod

Key: TypeAlias = tuple[str, str]
_Due: TypeAlias = "tuple[float, int, Entry]"
_Turn: TypeAlias = "tuple[int, int, Entry]"

BACKOFF_INITIAL_S: Final = 1.0
BACKOFF_MAX_S: Final = 10.0
# The first reason is stored at once, later ones no more often than this.
_REPORT_INTERVAL_S: Final = 5.0


class State(enum.Enum):
    """The state of an entry."""

    READY = enum.auto()
    WAITING = enum.auto()
    TAKEN = enum.auto()


@dataclass(slots=True, eq=False)
class Entry:
    """One pod that has no node yet."""

    pod: PendingPod
    state: State = State.READY
    attempts: int = 0
    due_s: float = field(default=0.0)
    reported: str = ""
    reported_at_s: float = 0.0

    @property
    def key(self) -> Key:
        """The pod's namespace and name."""
        return (self.pod.namespace, self.pod.name)


class PendingQueue:
    """The pending pods, the most important first, with back-off for those that fit nowhere."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}
        self._ready: list[_Turn] = []
        self._waiting: list[_Due] = []
        self._refused: list[_Due] = []
        self._order = itertools.count()
        self._woken = False

    def __len__(self) -> int:
        return len(self._entries)

    def has(self, entry: Entry) -> bool:
        """Return whether ``entry`` is still in the queue, neither discarded nor replaced."""
        return self._entries.get(entry.key) is entry

    def add(self, pod: PendingPod) -> bool:
        """Add a pod, or update its spec; return whether it is to be tried now."""
        entry = self._entries.get((pod.namespace, pod.name))
        if entry is None or entry.pod.uid != pod.uid:
            entry = Entry(pod)
            self._entries[entry.key] = entry
            self._make_ready(entry)
            return True
        if entry.pod.profile is pod.profile and entry.pod.owner == pod.owner:
            return False
        entry.pod = pod
        if entry.state is State.WAITING:
            self._make_ready(entry)
        return entry.state is State.READY

    def discard(self, key: Key) -> None:
        """Forget a pod that has a node or is gone."""
        self._entries.pop(key, None)

    def wake(self) -> None:
        """Try all waiting pods again: there may be room now."""
        self._woken = True

    def take(self, limit: int, now_s: float) -> list[Entry]:
        """Return up to ``limit`` pods that are to be tried now, and mark them as taken."""
        self._ripen(now_s)
        taken: list[Entry] = []
        while self._ready and len(taken) < limit:
            *_, entry = heapq.heappop(self._ready)
            if entry.state is State.READY and self.has(entry):
                entry.state = State.TAKEN
                entry.attempts += 1
                taken.append(entry)
        return taken

    def next_due_s(self) -> float | None:
        """Return when `take` may return something; None: not before something is added."""
        if self._ready or (self._woken and self._waiting):
            return 0.0
        return min((heap[0][0] for heap in (self._waiting, self._refused) if heap), default=None)

    def fail(self, entry: Entry, message: str, now_s: float) -> bool:
        """Delay a taken pod that fits nowhere; return whether ``message`` is to be stored."""
        if not self._wait(entry, self._waiting, now_s) or message == entry.reported:
            return False
        if entry.reported and now_s < entry.reported_at_s + _REPORT_INTERVAL_S:
            return False
        entry.reported, entry.reported_at_s = message, now_s
        return True

    def refuse(self, entry: Entry, now_s: float) -> None:
        """Delay a taken pod whose node the API refused; only time, and no change, ends the wait."""
        self._wait(entry, self._refused, now_s)

    def _wait(self, entry: Entry, heap: list[_Due], now_s: float) -> bool:
        if not self.has(entry):
            return False
        entry.state = State.WAITING
        pause_s = BACKOFF_INITIAL_S * 2.0 ** min(max(entry.attempts - 1, 0), 16)
        entry.due_s = now_s + min(pause_s, BACKOFF_MAX_S)
        heapq.heappush(heap, (entry.due_s, next(self._order), entry))
        return True

    def _ripen(self, now_s: float) -> None:
        everything, self._woken = self._woken, False
        for heap in (self._waiting, self._refused):
            while heap and (heap[0][0] <= now_s or (everything and heap is self._waiting)):
                due_s, _, entry = heapq.heappop(heap)
                # An entry that was woken and failed again is here once more, with a newer time.
                if entry.state is State.WAITING and entry.due_s == due_s and self.has(entry):
                    self._make_ready(entry)

    def _make_ready(self, entry: Entry) -> None:
        entry.state = State.READY
        turn = (-entry.pod.profile.priority, next(self._order), entry)
        heapq.heappush(self._ready, turn)
