"""What a core tells of itself.

Owns: the records in which it does; nobody outside of ``raft`` looks at its log or its member.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from podraft.server.raft.entries import MemberId, Membership
from podraft.server.raft.member import Role


@dataclass(frozen=True, slots=True)
class Status:
    """What an operator wants to see."""

    id: MemberId
    role: Role
    term: int
    leader: MemberId
    commit: int
    applied: int
    last_index: int
    matches: dict[MemberId, int]


@dataclass(frozen=True, slots=True)
class Leadership:
    """Who leads in ``term``, as far as a member knows: perhaps nobody, perhaps itself."""

    term: int
    leader: MemberId


@dataclass(frozen=True, slots=True)
class KnownMembership:
    """Which membership is in force, from the entry at ``index`` on, and which is certain to stay.

    ``certain`` is the same record as ``in_force`` once that is committed.
    """

    in_force: Membership
    index: int
    certain: Membership

    @property
    def is_certain(self) -> bool:
        """Whether what is in force stays in the log."""
        return self.certain is self.in_force


class Fate(Enum):
    """What has become of an entry that was once appended."""

    OPEN = "open"
    COMMITTED = "committed"
    REPLACED = "replaced"
    # A snapshot has taken the place of it, or of what had replaced it.
    UNKNOWN = "unknown"
