"""The things that all members of a run have in common.

Owns: the run's options and dice, the hooks of its faults, and the counts over all members.
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
    """The members' world, and the parameters that each of them is made with."""

    world: World
    network: Network
    checks: GroupChecks
    parts: MemberParts
    options: MemberOptions
    bounds: BatchBounds
    random: Random
    sync_crash: float  # The probability of a crash around a sync.
    snapshot_entries: int
    kept_revisions: int
    gather_s: float = 0.0  # How long a batch waits for company, at most.
    install_s: float = 0.0  # How long replacing the state by a snapshot takes, at most.
    fullness: float = 0.0  # The probability that the state machine takes no more for a while.
    # The probability that a sync stalls, and for how long at most: elections take part of a second.
    stalls: float = 0.0
    stall_max_s: float = 3.0
    truncated: Callable[[SimulatedMember], None] | None = None
    elected: Callable[[SimulatedMember], None] | None = None
    committed: Callable[[SimulatedMember], None] | None = None
    next_id: int = 0
    starts: int = 0
    installed: int = 0
    # The number of commands that got an error in place of an outcome.
    unanswered: int = 0
    # The contexts of changes to the group that were reported as not having happened.
    refused_contexts: list[bytes] = field(default_factory=list)

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id


def member_options(random: Random, raft: RaftOptions, kept_entries: int) -> MemberOptions:
    """Draw the patience and greed of a run's members, apart from their consensus."""
    return MemberOptions(
        raft=raft,
        answer_s=random.choice((0.5, 1.0, 2.0)),
        batches_in_flight=random.choice((1, 2, 4)),
        second_batch_entries=random.choice((1, 2, 100)),
        apply_entries=random.choice((1, 3, 500)),
        kept_entries=kept_entries,
        kept_bytes=random.choice((300, 1 << 20)),
    )
