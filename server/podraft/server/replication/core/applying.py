"""Which entries the state machine gets, and when.

Owns: what is committed and not applied yet.

Invariants: entries are applied in order, each once.  One portion is under way at a time, so that
others have their turn between two; nothing is applied while the state machine is full or is being
replaced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from podraft.server.raft.entries import Entry
from podraft.server.replication.core.effects import After, Apply, Emit
from podraft.server.replication.core.events import ApplyMore, Command

_NEXT_TURN = After(0.0, ApplyMore())


class Applying:
    """``own`` returns the command that this member proposed as an entry, if it did."""

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
        # Whether a portion, or the turn of the others after it, has not ended yet.
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
        """Return up to where entries are applied, and the bytes of the portion that was."""
        self._busy, self._full = False, full
        self._schedule()
        return self._applied, self._size

    def has_room(self, *, full: bool) -> None:
        """The state machine takes more again, unless it is ``full`` still."""
        self._full = full
        self._schedule()

    def _schedule(self) -> None:
        if self._deliverable and not self._busy and not self._full:
            self._busy = True
            self._emit(_NEXT_TURN)

    def go_on(self) -> None:
        """The others have had their turn."""
        self._busy = False
        self._next()

    def replace(self) -> None:
        """A snapshot takes the place of everything up to some point behind what waits."""
        self._deliverable.clear()
        self._replacing = True

    def replaced(self, index: int) -> None:
        """The state machine stands at ``index`` now."""
        self._replacing = False
        self._applied = index
        self._schedule()
