"""What a member of a group is made of.

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
    """Which member this is, of which group, and how the others are reached."""

    directory: Path
    me: Peer
    # Everybody who founds the group, this member included; if it joins one, whom it was told of.
    founders: tuple[Peer, ...]
    cluster_id: bytes
    listen: str
    credentials: MemberCredentials
    options: MemberOptions = field(default_factory=MemberOptions)
    store_options: StoreOptions = field(default_factory=StoreOptions)
    # Where members are, by name, that the command line knows better than the log.
    addresses: Mapping[str, str] = field(default_factory=dict)
    # Whether it enters a group that exists: then it begins with nothing, and does not vote.
    joins: bool = False

    @property
    def founded(self) -> Membership:
        """What a new data directory begins with; the same on all founders."""
        if self.joins:
            return Membership.of(())
        roster = Roster.of(Peer(peer.id, peer.name, peer.address) for peer in self.founders)
        return Membership.of((peer.id for peer in self.founders), (), roster.encode())
