"""What is in memory of the applied state.

Owns: the newest records and the recent events, which are replaced together when a snapshot comes.

Invariant: both are at the same revision.
"""

from __future__ import annotations

from dataclasses import dataclass

from podraft.server.state.keyspace import Keyspace
from podraft.server.state.recent import RecentEvents


@dataclass(slots=True)
class Memory:
    """The state in memory; whoever reads it without awaiting in between sees one revision."""

    keyspace: Keyspace
    recent: RecentEvents

    @property
    def revision(self) -> int:
        """The last applied revision."""
        return self.keyspace.revision
