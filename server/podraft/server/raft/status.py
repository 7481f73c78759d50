"""A core's report on itself.

Owns: the records of it; no code outside of ``raft`` looks at a core's log or its member.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from podraft.server.raft.entries import MemberId, Membership
from podraft.server.raft.member import Role


@dataclass(frozen=True, slots=True)
class Status:
    """The facts about a member that an operator wants to see."""

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
    """The leader in ``term``, as far as a member knows: perhaps none, perhaps itself."""

    term: int
    leader: MemberId


@dataclass(frozen=True, slots=True)
class KnownMembership:
    """The membership in force, from the entry at ``index`` on, and the one that is certain to stay.

    ``certain`` is the same record as ``in_force`` once that is committed.
    """

    in_force: Membership
    index: int
    certain: Membership

    @property
    def is_certain(self) -> bool:
        """Whether the membership in force is certain to stay in the log."""
        return self.certain is self.in_force


class Fate(Enum):
    """The fate of an entry that was once appended."""

    OPEN = "open"
    COMMITTED = "committed"
    REPLACED = "replaced"
    # A snapshot has replaced the entry, or what had replaced it.
    UNKNOWN = "unknown"
