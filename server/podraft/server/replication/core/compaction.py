"""The decision up to where the log is forgotten.

Owns: how many applied entries the log keeps for followers that are behind; the pins of members
that are getting a snapshot and need the entries that follow it.

Invariants: entries that the state machine does not hold durably are never forgotten; the applied
entries kept are bounded in number and bytes, pins or not.
"""

from __future__ import annotations

from collections import deque

from podraft.server.raft.entries import MemberId
from podraft.server.replication.member_options import MemberOptions

# How many times as much is kept for a pin.
_PINNED_FACTOR = 10


class Compaction:
    """The compaction of one member's log, which begins behind ``start``."""

    def __init__(self, start: int, options: MemberOptions) -> None:
        self.start = start
        self._kept_entries = options.kept_entries
        self._kept_bytes = options.kept_bytes
        # How much each applied portion added to the log: its last index, its bytes.
        self._sizes: deque[tuple[int, int]] = deque()
        self._bytes = 0
        self._pins: dict[MemberId, int] = {}

    def applied(self, index: int, size: int) -> None:
        """Take note that entries up to ``index``, of ``size`` bytes, were applied."""
        self._sizes.append((index, size))
        self._bytes += size

    def restart(self, start: int) -> None:
        """Take note that a snapshot has replaced the log."""
        self.start = start
        self._sizes.clear()
        self._bytes = 0

    def pin(self, member: MemberId, index: int) -> None:
        """Keep entries behind ``index`` for ``member``."""
        self._pins[member] = index

    def unpin(self, member: MemberId) -> None:
        """Keep nothing for ``member`` any more."""
        self._pins.pop(member, None)

    def advance(self, stored: int, applied: int) -> int | None:
        """Return the index up to which to forget the log; None if it is not worth a write yet."""
        target = self.limit(stored, applied)
        if target < self.start + max(self._kept_entries // 8, 1):
            return None
        self.start = target
        while self._sizes and self._sizes[0][0] <= target:
            self._bytes -= self._sizes.popleft()[1]
        return target

    def limit(self, stored: int, applied: int) -> int:
        """Return the index up to which to forget it, if ``stored`` is durable elsewhere."""
        target = min(stored, max(applied - self._kept_entries, self._beyond_kept_bytes()))
        if self._pins:
            bound = applied - _PINNED_FACTOR * self._kept_entries
            target = min(target, max(min(self._pins.values()), bound))
        return target

    def _beyond_kept_bytes(self) -> int:
        """Return the last index before the newest ``kept_bytes`` of applied entries."""
        size, last_index = self._bytes, 0
        for index, added in self._sizes:
            if size <= self._kept_bytes:
                break
            size -= added
            last_index = index
        return last_index
