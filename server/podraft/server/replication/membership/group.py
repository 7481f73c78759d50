"""A store's report on the servers that keep the state: one, a group, or an external store's.

Owns: the records of that report.  Pure: a record holds what the store knew when it was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from podraft.server.raft.entries import NOBODY, MemberId


class StoreMode(Enum):
    """The way in which the state is kept."""

    SINGLE = "by one server alone"
    GROUP = "by a group of servers"
    EXTERNAL = "in etcd"


@dataclass(frozen=True, slots=True)
class MemberView:
    """One server, as the answering one sees it.  ``match``: None if it is not known."""

    id: MemberId
    name: str
    voter: bool
    peer_address: str
    api_addresses: tuple[str, ...]
    reachable: bool
    match: int | None = None


@dataclass(frozen=True, slots=True)
class GroupView:
    """All servers; ``me`` is the answering one."""

    mode: StoreMode
    members: tuple[MemberView, ...]
    me: MemberId = NOBODY
    leader: MemberId = NOBODY
    term: int = 0
    commit: int = 0
    last_index: int = 0


def alone(name: str, api_addresses: tuple[str, ...], mode: StoreMode) -> GroupView:
    """Return the view of a server that knows of no other."""
    me = MemberView(NOBODY, name, True, "", api_addresses, True)
    return GroupView(mode, (me,))
