"""Linearizable reads: waiting until this member has applied what was committed before.

Owns: the waiting readers, in two groups: those whose question is under way, and those that came
later and share the next question.

Invariant: a reader goes on only after a leader has proved, by a round that began after the reader
came, up to where the log was committed, and this member has applied that much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from podraft.server.raft.entries import NOBODY
from podraft.server.raft.status import Leadership
from podraft.server.replication.core.effects import Emit, Gather, Settled
from podraft.server.replication.core.events import ReadersGathered
from podraft.server.replication.faults import NoLeaderError
from podraft.server.replication.member_options import MemberOptions

_GATHER = Gather(ReadersGathered())


class ReadBarriers:
    """All waiting readers; ``ask`` gives a question's id to consensus, ``ids`` are not shared."""

    def __init__(
        self,
        ids: Iterator[int],
        options: MemberOptions,
        applied: int,
        *,
        emit: Emit,
        ask: Callable[[int], None],
    ) -> None:
        self._ids = ids
        self._options = options
        self._emit = emit
        self._ask = ask
        self._leadership = Leadership(0, NOBODY)
        self._applied = applied
        # Readers that came after the question under way was asked: they may not share it.
        self._next: object | None = None
        self._next_deadline = 0.0
        # A question costs as much as many reads: readers gather for it as proposals do for a sync.
        self._gathering = False
        self._asking: object | None = None
        self._asking_id = 0
        self._asking_deadline = 0.0
        self._ask_again = 0.0
        # Readers of answered questions, with the index that must be applied first.
        self._proved: list[tuple[int, object, float]] = []
        # How many questions were put to a leader.
        self.rounds = 0

    @property
    def joinable(self) -> object | None:
        """The readers that another one may join, as no leader was asked for them yet."""
        return self._next

    @property
    def pending(self) -> bool:
        """Whether readers wait for an answer, or for the index that it proves to be applied."""
        return self._asking is not None or bool(self._proved)

    def came(self, readers: object, now: float) -> None:
        """Take ``readers``, which come when no others are ``joinable``."""
        self._next = readers
        self._next_deadline = now + self._options.answer_s
        self._schedule()

    def led(self, leadership: Leadership, now: float) -> None:
        """Take note of the leader."""
        self._leadership = leadership
        self.resume(now)

    def _schedule(self) -> None:
        if self._asking is None and self._next is not None and not self._gathering:
            self._gathering = True
            self._emit(_GATHER)

    def gathered(self, now: float) -> None:
        """Ask for the readers that have gathered."""
        self._gathering = False
        if self._asking is not None or self._next is None:
            return
        self._asking, self._next = self._next, None
        self._asking_deadline = self._next_deadline
        self._put(now)

    def _put(self, now: float) -> None:
        """Ask the leader, or wait until there is one."""
        self._asking_id = 0
        if self._leadership.leader != NOBODY:
            self._asking_id = next(self._ids)
            self._ask_again = now + self._options.read_again_s
            self.rounds += 1
            self._ask(self._asking_id)

    def ready(self, number: int, index: int) -> None:
        """Take the answer to a question: its readers may read at ``index`` and above."""
        if number != self._asking_id or self._asking is None:
            return
        readers, self._asking, self._asking_id = self._asking, None, 0
        if self.reached(index):
            self._emit(Settled(readers))
        else:
            self._proved.append((index, readers, self._asking_deadline))
        self._schedule()

    def reached(self, index: int) -> bool:
        """Return whether this member's state holds everything up to ``index``."""
        return index <= self._applied

    def refused(self, number: int) -> None:
        """Put the question again after some time, as it will not be answered."""
        if number == self._asking_id:
            self._asking_id = 0

    def applied(self, index: int) -> None:
        """Release the readers that waited for the state to reach ``index``."""
        self._applied = index
        if self._proved:
            waiting = []
            for item in self._proved:
                if item[0] <= index:
                    self._emit(Settled(item[1]))
                else:
                    waiting.append(item)
            self._proved = waiting

    def resume(self, now: float) -> None:
        """Put the question again if it was lost or refused, as time has passed."""
        if self._asking is not None and (not self._asking_id or now >= self._ask_again):
            self._put(now)

    def expire(self, now: float) -> None:
        """Give up readers that have waited too long."""
        late = NoLeaderError("no leader confirmed the read in time; try again")
        if self._asking is not None and self._asking_deadline <= now:
            readers, self._asking, self._asking_id = self._asking, None, 0
            self._emit(Settled(readers, late))
            self._schedule()
        if self._proved:
            for _, readers, deadline in self._proved:
                if deadline <= now:
                    self._emit(Settled(readers, late))
            self._proved = [item for item in self._proved if item[2] > now]

    def fail(self, error: Exception) -> None:
        """Fail all readers with ``error``, as the member stops."""
        groups = [self._asking, self._next, *(readers for _, readers, _ in self._proved)]
        self._asking = self._next = None
        self._proved.clear()
        for readers in groups:
            if readers is not None:
                self._emit(Settled(readers, error))
