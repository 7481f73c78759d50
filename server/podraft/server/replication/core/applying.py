"""Handing committed entries to the state machine.

Owns: the entries that are committed and not applied yet.

Invariants: entries are applied in order, each once.  One portion is under way at a time, so that
other tasks have their turn between two; nothing is applied while the state machine is full or is
being replaced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from podraft.server.raft.entries import Entry
from podraft.server.replication.core.effects import After, Apply, Emit
from podraft.server.replication.core.events import ApplyMore, Command

_NEXT_TURN = After(0.0, ApplyMore())


class Applying:
    """The queue of committed entries; ``own`` returns this member's command of an entry, if any."""

    def __init__(
        self,
        applied: int,
        portion: int,
        *,
        emit: Emit,
        own: Callable[[Entry], Command | None],
    ) -> None:
        self._applied = applied
        self._size = 0
        self._portion = portion
        self._emit = emit
        self._own = own
        self._deliverable: deque[Entry] = deque()
        # Whether a portion, or the other tasks' turn after it, has not ended yet.
        self._busy = False
        self._full = False
        self._replacing = False

    def committed(self, entries: Sequence[Entry]) -> None:
        """Apply ``entries``, in portions."""
        self._deliverable.extend(entries)
        self._next()

    def _next(self) -> None:
        waiting = self._deliverable
        if not waiting or self._busy or self._full or self._replacing:
            return
        self._busy = True
        if len(waiting) <= self._portion:
            entries = list(waiting)
            waiting.clear()
        else:
            entries = [waiting.popleft() for _ in range(self._portion)]
        self._applied = entries[-1].index
        self._size = sum([len(entry.payload) for entry in entries])
        self._emit(Apply(entries, [self._own(entry) for entry in entries]))

    def portion_applied(self, *, full: bool) -> tuple[int, int]:
        """Return the index up to which entries are applied, and the bytes of the last portion."""
        self._busy, self._full = False, full
        self._schedule()
        return self._applied, self._size

    def has_room(self, *, full: bool) -> None:
        """Go on if the state machine takes more again and is not ``full`` any longer."""
        self._full = full
        self._schedule()

    def _schedule(self) -> None:
        if self._deliverable and not self._busy and not self._full:
            self._busy = True
            self._emit(_NEXT_TURN)

    def go_on(self) -> None:
        """Apply the next portion, as other tasks have had their turn."""
        self._busy = False
        self._next()

    def replace(self) -> None:
        """Stop applying: a snapshot replaces all up to a point behind the waiting entries."""
        self._deliverable.clear()
        self._replacing = True

    def replaced(self, index: int) -> None:
        """Resume, with the state machine now at ``index``."""
        self._replacing = False
        self._applied = index
        self._schedule()
