"""The order of writes, the messages that depend on them, and a snapshot before both.

Owns: the writes under way and the messages that wait for them; the snapshot that is being
installed, and the writes that are held back meanwhile.

Invariants: a message that claims persistence leaves after its write and all earlier ones are
durable.  The log on disk never begins behind a state that the disk does not have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from podraft.server.raft.effects import Write
from podraft.server.raft.entries import HardState, SnapshotMark
from podraft.server.raft.messages import Message, without_outdated
from podraft.server.replication.core.effects import Emit, Install, Send


class Persisting:
    """One member's writes, in their order."""

    def __init__(self, hard_state: HardState, *, emit: Emit) -> None:
        # The newest hard state that a write holds.
        self.hard_state = hard_state
        # The received snapshot that is replacing the state machine.
        self.installing: SnapshotMark | None = None
        self._emit = emit
        self._written = 0
        self._durable = 0
        self._after: deque[tuple[int, Sequence[Message]]] = deque()
        self._held: list[Write] = []

    def write(self, write: Write) -> None:
        """Write to the disk, or hold ``write`` back until a snapshot is installed."""
        self._written = write.sequence
        if write.hard_state is not None:
            self.hard_state = write.hard_state
        if write.snapshot is not None:
            self._install(write.snapshot)
        if self.must_hold():
            self._held.append(write)
        else:
            self._emit(write)

    def must_hold(self) -> bool:
        """Return whether the disk still lacks the state that the log is to continue."""
        return self.installing is not None

    def send_after(self, messages: Sequence[Message]) -> None:
        """Send ``messages`` once every write so far is durable."""
        if self.may_leave(self._written):
            self._emit(Send(messages))
        else:
            self._after.append((self._written, messages))

    def may_leave(self, sequence: int) -> bool:
        """Return whether messages that depend on the write ``sequence`` may be sent."""
        return sequence <= self._durable

    def durable(self, sequence: int) -> None:
        """Send the messages that waited for the now durable writes up to ``sequence``."""
        self._durable = sequence
        messages: list[Message] = []
        while self._after and self.may_leave(self._after[0][0]):
            messages += self._after.popleft()[1]
        if messages:
            self._emit(Send(without_outdated(messages)))

    def _install(self, mark: SnapshotMark) -> None:
        running, self.installing = self.installing, mark
        if running is None:
            self._emit(Install(mark))

    def installed(self, mark: SnapshotMark) -> bool:
        """Continue behind ``mark``; False if a later snapshot has come and is installed first."""
        if self.installing is None:
            return False
        if self.installing != mark:
            self._emit(Install(self.installing))
            return False
        self.installing = None
        held, self._held = self._held, []
        for write in held:
            self._emit(write)
        return True
