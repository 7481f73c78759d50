"""The part of the applied state that is in memory.

Owns: the newest records and the recent events; a snapshot replaces both together.

Invariant: both are at the same revision.
"""

from __future__ import annotations

from dataclasses import dataclass

from podraft.server.state.keyspace import Keyspace
from podraft.server.state.recent import RecentEvents


@dataclass(slots=True)
class Memory:
    """The state in memory; reads without an await in between see one revision."""

    keyspace: Keyspace
    recent: RecentEvents

    @property
    def revision(self) -> int:
        """The last applied revision."""
        return self.keyspace.revision
