"""What all members of a run have in common.

Owns: the run's options and dice, the hooks of its faults, and what is counted over all members.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from podraft.server.raft.options import RaftOptions
from podraft.server.replication.core.member_core import MemberParts
from podraft.server.replication.core.own_proposals import BatchBounds
from podraft.server.replication.member_options import MemberOptions
from simulation.checks import GroupChecks
from simulation.network import Network
from simulation.world import World

if TYPE_CHECKING:
    from simulation.simulated_member import SimulatedMember


@dataclass(slots=True)
class Shared:
    """The world of the members, and how each of them is made."""

    world: World
    network: Network
    checks: GroupChecks
    parts: MemberParts
    options: MemberOptions
    bounds: BatchBounds
    random: Random
    sync_crash: float  # How probably a crash meets the moment around a sync.
    snapshot_entries: int
    kept_revisions: int
    gather_s: float = 0.0  # How long company is waited for, at most.
    install_s: float = 0.0  # How long putting a snapshot in the place of the state takes, at most.
    fullness: float = 0.0  # How probably the state machine takes no more for a while.
    # How probably a sync stalls, and for how long at most: elections take part of a second.
    stalls: float = 0.0
    stall_max_s: float = 3.0
    truncated: Callable[[SimulatedMember], None] | None = None
    elected: Callable[[SimulatedMember], None] | None = None
    committed: Callable[[SimulatedMember], None] | None = None
    next_id: int = 0
    starts: int = 0
    installed: int = 0
    # How many commands got an error in place of an outcome.
    unanswered: int = 0
    # What changes of the group wrote that are said not to have happened.
    refused_contexts: list[bytes] = field(default_factory=list)

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id


def member_options(random: Random, raft: RaftOptions, kept_entries: int) -> MemberOptions:
    """Draw how patient and how greedy the members of a run are beside their consensus."""
    return MemberOptions(
        raft=raft,
        answer_s=random.choice((0.5, 1.0, 2.0)),
        batches_in_flight=random.choice((1, 2, 4)),
        second_batch_entries=random.choice((1, 2, 100)),
        apply_entries=random.choice((1, 3, 500)),
        kept_entries=kept_entries,
        kept_bytes=random.choice((300, 1 << 20)),
    )
