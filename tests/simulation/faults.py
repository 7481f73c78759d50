"""Faults: what goes wrong, and when.

Owns: a run's plan of faults: which kinds occur at all, and their order and place; and the
administrator, who changes members and leaders in the middle of it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from podraft.server.raft.events import (
    AddLearner,
    Change,
    Describe,
    Promote,
    Remove,
)
from simulation.network import CALM, Weather
from simulation.simulated_member import TICK_S, SimulatedMember

if TYPE_CHECKING:
    from simulation.simulation import Simulation

MEMBERS_MAX = 7


class Profile(Enum):
    """The main subject of a run."""

    MIXTURE = "mixture"  # Some of everything.
    CHURN = "churn"  # Leaders come and go before they have committed much.
    CHANGES = "changes"  # Members come and go; every new leader begins with a change.
    SLEEP = "sleep"  # Leaders are replaced while they sleep, and wake up.
    READS = "reads"  # Many reads, over links on which answers are slow and overtake each other.
    DISKS = "disks"  # A write takes many elections; leaders fall when a log has just been cut.


class Faults:
    """A source of faults that does something bad now and then, until it is stopped."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._world = simulation.world
        self._network = simulation.network
        self._random = simulation.world.random("faults")
        self.stopped = False
        self._kinds = self._choose_kinds(simulation.profile)
        # Each run has its own rates, so that rare combinations do happen.
        self._weights = [0.05 + self._random.random() ** 3 for _ in self._kinds]
        self._interval_s = self._random.choice(
            (0.1, 0.3, 0.7, 1.5) if simulation.profile is Profile.MIXTURE else (0.1, 0.2, 0.3)
        )
        if simulation.profile is Profile.CHANGES:
            simulation.shared.elected = self._change_at_once
        if simulation.profile is Profile.CHURN and self._random.random() < 0.7:
            simulation.shared.elected = self._strike_soon
            simulation.shared.committed = self._strike_now
        if simulation.profile is Profile.DISKS:
            shared = simulation.shared
            shared.stalls = self._random.choice((0.02, 0.1, 0.3))
            shared.stall_max_s = self._random.choice((0.5, 2.0, 6.0))
            shared.truncated = self._strike_after_truncation
            if self._random.random() < 0.5:
                shared.elected = self._change_at_once
        if simulation.profile is Profile.READS:
            self._network.weather = Weather(0.001, self._random.choice((0.05, 0.1)), straggling=0.1)
        elif simulation.profile is not Profile.MIXTURE:
            # The slower the messages, the more happens between two of them.
            slowest_s = self._random.choice((0.006, 0.03, 0.08))
            self._network.weather = Weather(0.001, slowest_s)
        self._plan()

    def _choose_kinds(self, profile: Profile) -> list[Callable[[], str]]:
        crashes = [self._crash, self._crash_leader, self._crash_many]
        cuts = [self._isolate, self._isolate_leader, self._split, self._partial, self._heal]
        changes = [self._change, self._change, self._two_changes, self._remove_leader]
        if profile is Profile.CHURN:
            return [*crashes, *cuts, self._transfer, self._slow_disk]
        if profile is Profile.CHANGES:
            return [self._crash, *cuts, self._isolate_leader, *changes]
        if profile is Profile.DISKS:
            disks = [self._slow_disk, self._crash_writer, self._crash_writer]
            return [*crashes, *cuts, *disks, self._transfer, self._change, self._two_changes]
        if profile is Profile.READS:
            return [self._crash, *cuts, self._pause, self._pause_leader, self._transfer]
        if profile is Profile.SLEEP:
            return [self._pause_leader, self._pause_leader, self._drift, self._isolate_leader]
        kinds = [
            *crashes,
            *cuts,
            *changes,
            self._one_way,
            self._bad_weather,
            self._slow_disk,
            self._drift,
            self._pause,
            self._transfer,
        ]
        # Each run has its own mixture, too.
        count = self._random.randint(3, len(kinds))
        return [kinds[at] for at in sorted(self._random.sample(range(len(kinds)), count))]

    def _plan(self) -> None:
        self._world.after(2 * self._interval_s * self._random.random(), self._strike)

    def _strike(self) -> None:
        if self.stopped:
            return
        (kind,) = self._random.choices(self._kinds, self._weights)
        self._world.note(0, f"fault: {kind()}")
        if self._random.random() < 0.2:
            self._world.note(0, f"fault: {self._heal()}")
        self._plan()

    def stop(self) -> None:
        """End all faults, for good."""
        self.stopped = True
        self._network.block(())
        self._network.weather = CALM
        self._simulation.shared.sync_crash = 0.0
        shared = self._simulation.shared
        shared.elected = shared.committed = shared.truncated = None
        shared.stalls = shared.fullness = 0.0
        for member in self._simulation.members.values():
            member.tick_s, member.sync_s, member.paused_until = TICK_S, 0.002, 0.0
            member.start()

    # Targets.

    def _ids(self) -> list[int]:
        return list(self._simulation.members)

    def _any(self) -> SimulatedMember:
        return self._simulation.members[self._random.choice(self._ids())]

    def _leader(self) -> SimulatedMember:
        leaders = [member for member in self._simulation.members.values() if member.leads]
        return self._random.choice(leaders) if leaders else self._any()

    # Faults: each returns a description of what it did.

    def _kill(self, member: SimulatedMember) -> None:
        if member.alive:
            member.crash()
            delay = self._random.choice((0.05, 0.1, 0.5, 2.0)) * (0.5 + self._random.random())
            self._world.after(delay, member.start)

    def _crash(self) -> str:
        member = self._any()
        self._kill(member)
        return f"crash of {member.id}"

    def _crash_leader(self) -> str:
        member = self._leader()
        self._kill(member)
        return f"crash of leader {member.id}"

    def _crash_writer(self) -> str:
        writers = [member for member in self._simulation.members.values() if member.owes_disk]
        member = self._random.choice(writers) if writers else self._any()
        self._kill(member)
        return f"crash of {member.id}, which {'owes' if writers else 'does not owe'} writes"

    def _crash_many(self) -> str:
        ids = self._ids()
        victims = self._random.sample(ids, self._random.randint(1, len(ids)))
        for victim in victims:
            self._kill(self._simulation.members[victim])
        return f"crash of {victims}"

    def _cut(self, side: set[int], *, one_way: bool = False) -> str:
        others = [other for other in self._ids() if other not in side]
        pairs = [(one, other) for one in sorted(side) for other in others]
        if not one_way:
            pairs += [(other, one) for one, other in pairs]
        self._network.block(pairs)
        return f"{sorted(side)} cut off from {others}{' one way' if one_way else ''}"

    def _isolate(self) -> str:
        return self._cut({self._any().id})

    def _isolate_leader(self) -> str:
        return self._cut({self._leader().id})

    def _split(self) -> str:
        ids = self._ids()
        return self._cut(set(self._random.sample(ids, self._random.randint(1, len(ids) - 1))))

    def _one_way(self) -> str:
        ids = self._ids()
        side = set(self._random.sample(ids, self._random.randint(1, len(ids) - 1)))
        return self._cut(side, one_way=True)

    def _partial(self) -> str:
        ids, random = self._ids(), self._random.random
        pairs = [(a, b) for a in ids for b in ids if a != b and random() < 0.35]
        self._network.block(pairs)
        return f"links cut: {pairs}"

    def _heal(self) -> str:
        self._network.block(())
        return "all links work"

    def _bad_weather(self) -> str:
        random = self._random
        self._network.weather = Weather(
            0.001,
            random.choice((0.005, 0.03, 0.2)),
            random.choice((0.0, 0.05, 0.3)),
            random.choice((0.0, 0.1, 0.5)),
            random.choice((0.0, 0.01, 0.1)),
        )
        return f"{self._network.weather}"

    def _slow_disk(self) -> str:
        member = self._any()
        member.sync_s = self._random.choice((0.0005, 0.002, 0.02, 0.2, 0.8))
        return f"syncs of {member.id} take {member.sync_s} s"

    def _drift(self) -> str:
        member = self._any()
        member.tick_s = TICK_S * self._random.choice((0.5, 0.8, 1.0, 1.3, 3.0))
        return f"ticks of {member.id} last {member.tick_s:.3f} s"

    def _pause(self) -> str:
        return self._stop_for_a_while(self._any())

    def _pause_leader(self) -> str:
        return self._stop_for_a_while(self._leader())

    def _stop_for_a_while(self, member: SimulatedMember) -> str:
        if member.alive:
            member.pause(self._random.choice((0.3, 1.0, 3.0)))
        return f"{member.id} is stopped for a while"

    def _strike_soon(self, leader: SimulatedMember) -> None:
        """Strike a leader between its election and its first commits."""
        random = self._random.random
        if random() < 0.7:
            delay = random() * 6 * self._network.weather.delay_max_s if random() < 0.5 else 0.0
            self._world.after(delay, self._strike_leader, leader, leader.life)

    def _strike_now(self, leader: SimulatedMember) -> None:
        """Strike a leader that has just committed something, before anybody knows."""
        if self._random.random() < 0.3:
            self._world.after(0.0, self._strike_leader, leader, leader.life)

    def _strike_after_truncation(self, follower: SimulatedMember) -> None:
        """Make a follower that is still syncing a cut of its log lead, or crash, or both."""
        random = self._random.random
        if self.stopped or random() < 0.3:
            return
        follower.sync_s = self._random.choice((0.002, 0.2, 1.0, 3.0))
        leader = self._leader()
        if leader is not follower and random() < 0.7:
            # By then the follower may have received more entries, or only the cut.
            self._world.after(0.2 * random() ** 2, self._strike_leader, leader, leader.life)
        if random() < 0.3:
            self._world.after(2.0 * random() ** 2, self._kill, follower)

    def _strike_leader(self, leader: SimulatedMember, life: int) -> None:
        if self.stopped or not leader.leads or leader.life != life:
            return
        if self._random.random() < 0.3:
            self._kill(leader)
        else:
            self._world.note(0, f"fault: {self._cut({leader.id})}")

    # The administrator.

    def _change_at_once(self, leader: SimulatedMember) -> None:
        """Change the members the moment a leader is elected."""
        if not self.stopped and leader.core is not None:
            members = leader.core.membership.in_force
            candidates = [member for member in members.voters if len(members.voters) > 3]
            if candidates and self._random.random() < 0.7:
                change: Change = Remove(self._random.choice(candidates))
            elif members.learners:
                change = Promote(self._random.choice(members.learners))
            elif len(self._simulation.members) < MEMBERS_MAX:
                change = AddLearner(self._simulation.add_member())
            else:
                return
            leader.change(change)

    def _transfer(self) -> str:
        target = self._any().id
        if self._random.random() < 0.3:
            self._leader().hand_over((target, self._any().id))
            return f"the leader hands over, perhaps to {target}"
        self._leader().transfer(target)
        return f"transfer to {target}"

    def _propose(self, change: Change) -> str:
        self._leader().change(change)
        return f"{change}"

    def _next_change(self) -> Change:
        random = self._random.random()
        learners: list[int] = []
        leader = self._leader()
        if leader.core is not None:
            learners = list(leader.core.membership.in_force.learners)
        if learners and random < 0.6:
            return Promote(self._random.choice(learners))
        if random > 0.95:
            # Members report their addresses: the members stay the same, but it is a change like any
            # other.
            return Describe(b"%d" % self._simulation.shared.new_id())
        if len(self._simulation.members) < MEMBERS_MAX and random < 0.7:
            return AddLearner(self._simulation.add_member())
        ids = self._ids()
        if leader.core is not None and len(leader.core.membership.in_force.voters) > 2:
            return Remove(self._random.choice(ids))
        return AddLearner(self._random.choice(ids))

    def _change(self) -> str:
        return self._propose(self._next_change())

    def _two_changes(self) -> str:
        return f"{self._change()}, {self._change()}"

    def _remove_leader(self) -> str:
        leader = self._leader()
        if leader.core is None or len(leader.core.membership.in_force.voters) < 3:
            return "nobody is removed"
        return self._propose(Remove(leader.id))
