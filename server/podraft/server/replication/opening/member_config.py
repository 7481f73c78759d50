"""The configuration of a member of a group.

Owns: ``MemberConfig``.  Invariant: founders of one group begin with the same membership.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from podraft.server.raft.entries import Membership
from podraft.server.replication.core.roster import Peer, Roster
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.transport.member_link import MemberCredentials
from podraft.server.store.options import StoreOptions


@dataclass(frozen=True, slots=True)
class MemberConfig:
    """The member's identity, its group, and how to reach the others."""

    directory: Path
    me: Peer
    # All founders of the group, including this member; if it joins one, the members it was told of.
    founders: tuple[Peer, ...]
    cluster_id: bytes
    listen: str
    credentials: MemberCredentials
    options: MemberOptions = field(default_factory=MemberOptions)
    store_options: StoreOptions = field(default_factory=StoreOptions)
    # Members' addresses, by name, that the command line gives in place of those in the log.
    addresses: Mapping[str, str] = field(default_factory=dict)
    # Whether it joins an existing group: then it begins with nothing, and does not vote.
    joins: bool = False

    @property
    def founded(self) -> Membership:
        """The membership that a new data directory begins with; the same on all founders."""
        if self.joins:
            return Membership.of(())
        roster = Roster.of(Peer(peer.id, peer.name, peer.address) for peer in self.founders)
        return Membership.of((peer.id for peer in self.founders), (), roster.encode())
