"""One run: a group, its clients and watchers, faults, then peace, then the verdict.

Owns: the composition of a run from its seed, its phases, and the final checks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from podraft.server.raft.entries import EntryKind, Membership, SnapshotMark, decode_membership
from podraft.server.raft.messages import Message
from podraft.server.raft.options import RaftOptions
from podraft.server.replication.core.member_core import STANDARD_MEMBER_PARTS, MemberParts
from podraft.server.replication.core.own_proposals import BatchBounds
from simulation.checks import GroupChecks
from simulation.clients import KEYS, Call, Client, Habits, check_history
from simulation.faults import Faults, Profile
from simulation.network import Network
from simulation.shared import Shared, member_options
from simulation.simulated_member import SimulatedMember
from simulation.watchers import Watcher
from simulation.world import SimulationFailedError, World

FAULTS_S = 20.0
# Elections take one to two virtual seconds; a snapshot and some retries may come on top.
PEACE_S = 12.0
# The profiles that a seed draws from: rare combinations of disks and changes need more runs.
_PROFILES = (*[Profile.MIXTURE] * 3, *Profile, Profile.CHANGES, Profile.DISKS)
_SIZES = {
    Profile.MIXTURE: (3, 3, 3, 4, 5, 5, 7),
    Profile.CHURN: (3, 5, 5),
    Profile.CHANGES: (3, 4, 4),
    Profile.SLEEP: (3, 5),
    Profile.READS: (3, 3, 5),
    Profile.DISKS: (3, 3, 4, 5),
}


@dataclass(frozen=True, slots=True)
class Events:
    """How often the events worth testing have happened."""

    elections: int
    crashes: int
    changes: int
    snapshots_installed: int
    lists_after_compaction: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run; if ``failure`` is None, everything held."""

    seed: int
    failure: str | None
    operations: int
    revisions: int
    steps: int
    virtual_s: float
    undecided: int
    digest: str
    events: Events
    trace: tuple[str, ...] = ()


class Simulation:
    """One whole run."""

    def __init__(
        self, seed: int, parts: MemberParts = STANDARD_MEMBER_PARTS, profile: Profile | None = None
    ) -> None:
        self.world = World(seed)
        random = self.world.random("setup")
        self.checks = GroupChecks()
        self.network = Network(self.world, self._deliver, self._link_lost)
        self.profile = profile or random.choice(_PROFILES)
        size = random.choice(_SIZES[self.profile])
        # With one entry in each message, logs grow step by step: there is more to interrupt.
        message_bytes = (1, 1, 300) if self.profile is Profile.CHURN else (1, 300, 100_000)
        options = RaftOptions(
            election_ticks=random.choice((3, 5, 10)),
            heartbeat_ticks=random.choice((1, 2)),
            message_bytes_max=random.choice(message_bytes),
            in_flight_max=random.choice((1, 2, 32)),
            promotion_lag_max=random.choice((0, 5, 50)),
            unapplied_entries_max=random.choice((1, 10, 1_000)),
        )
        sync_crash = random.choice((0.0, 0.0, 0.001, 0.01))
        snapshot_entries = random.choice((10, 40, 150))
        kept_entries = random.choice((0, 5, 30))
        kept_revisions = random.choice((0, 20, 100))
        around = self.world.random("around the consensus")
        self.shared = Shared(
            self.world,
            self.network,
            self.checks,
            parts,
            member_options(around, options, kept_entries),
            BatchBounds(around.choice((1, 3, 1_000)), around.choice((1, 1 << 20))),
            self.world.random("members"),
            sync_crash,
            snapshot_entries,
            kept_revisions,
            gather_s=around.choice((0.0, 0.001, 0.008)),
            install_s=around.choice((0.01, 0.3, 2.0)),
            fullness=around.choice((0.0, 0.0, 0.02, 0.2)),
        )
        self.network.doubles_forwards = around.random() < 0.5
        self._mark = SnapshotMark(0, 0, Membership.of(range(1, size + 1)))
        self.members = {
            number: SimulatedMember(number, self._mark, self.shared)
            for number in range(1, size + 1)
        }
        self.history: list[Call] = []
        pause_s = random.choice((0.05, 0.1, 0.2))
        self.clients = [self._client(number, pause_s) for number in range(1, 5)]
        if self.profile is Profile.READS:
            self.clients += [self._client(number, 0.02, reads=1.0) for number in range(5, 9)]
        self.watchers = [
            Watcher(number, self.world, self._known_members, self.checks, prefix)
            for number, prefix in enumerate((b"", b"r/", KEYS[1]))
        ]
        self.faults = Faults(self)

    def _client(self, number: int, pause_s: float, reads: float = 0.35) -> Client:
        plain = 0.0 if self.network.doubles_forwards else 0.3
        habits = Habits(pause_s, reads, plain)
        return Client(number, self.world, self._known_members, self.history, habits)

    def _link_lost(self, sender: int, to: int) -> None:
        member = self.members.get(sender)
        if member is not None:
            member.link_lost(to)

    def _known_members(self) -> list[SimulatedMember]:
        return list(self.members.values())

    def _deliver(self, message: Message, attachment: object) -> None:
        member = self.members.get(message.to)
        if member is not None:
            member.receive(message, attachment)

    def add_member(self) -> int:
        """Start a new member that knows nobody and has never been there before."""
        number = max(self.members) + 1
        mark = SnapshotMark(0, 0, Membership(()))
        self.members[number] = SimulatedMember(number, mark, self.shared)
        return number

    # Phases.

    def run(self) -> int:
        """Run faults, then peace, then the verdict; return how many searches gave no verdict."""
        self.world.run_until(FAULTS_S)
        self.faults.stop()
        self._await_progress()
        self._compare_states()
        self._check_refused_changes()
        for watcher in self.watchers:
            self._check_watcher(watcher)
        return check_history(self.history, self.checks)

    def _await_progress(self) -> None:
        """Check that, once faults stop, every client gets answers and all members become equal."""
        world = self.world
        # Removed members may not know of it; clients go on with the members that count.
        deadline = world.now + PEACE_S
        answered = [client.answered for client in self.clients]
        while any(
            client.answered < before + 2
            for client, before in zip(self.clients, answered, strict=True)
        ):
            self._advance(deadline, "a client gets no answers")
            self._retire_removed()
        for client in self.clients:
            client.stopped = True
        while not self._converged():
            self._advance(deadline, f"the members do not converge: {self._summary()}")

    def _advance(self, deadline: float, problem: str) -> None:
        if self.world.now >= deadline:
            raise SimulationFailedError(f"no progress {PEACE_S} s after the last fault: {problem}")
        self.world.run_until(self.world.now + 0.1)

    def _leader(self) -> SimulatedMember | None:
        leaders = [member for member in self.members.values() if member.leads]
        return (
            max(leaders, key=lambda member: member.core.leadership.term if member.core else 0)
            if (leaders)
            else None
        )

    def _retire_removed(self) -> None:
        """Switch off, as the administrator, those who are no longer members."""
        leader = self._leader()
        if leader is None or leader.core is None:
            return
        membership = leader.core.membership
        if membership.is_certain:
            members = membership.in_force.members
            for number in [id_ for id_ in self.members if id_ not in members]:
                self.world.note(number, "is switched off")
                self.members[number].crash()
                del self.members[number]

    def _converged(self) -> bool:
        leader = self._leader()
        if leader is None or leader.core is None:
            return False
        status = leader.core.status
        self._retire_removed()
        return status.commit == status.last_index and all(
            member.machine.index == status.commit and member.idle
            for member in self.members.values()
        )

    def _summary(self) -> str:
        known = [
            (member.core, member.core.status) for member in self.members.values() if member.core
        ]
        return ", ".join(
            f"{status.id} {status.role.value} term {status.term} commit {status.commit} last"
            f" {status.last_index}, {core.waiting} wait"
            for core, status in known
        )

    def _compare_states(self) -> None:
        hashes = {
            number: hashlib.sha256(repr(member.machine.records()).encode()).hexdigest()
            for number, member in self.members.items()
        }
        if len(set(hashes.values())) != 1:
            raise SimulationFailedError(f"the members' states differ: {hashes}")

    def _check_refused_changes(self) -> None:
        """Check that changes reported as not having happened did not happen."""
        for entry in self.checks.entries_applied:
            if entry.kind is EntryKind.MEMBERSHIP:
                context = decode_membership(entry.payload).context
                if context in self.shared.refused_contexts:
                    raise SimulationFailedError(f"the refused change {context!r} was made")

    def _check_watcher(self, watcher: Watcher) -> None:
        member = next(iter(self.members.values()))
        watcher.take(member, limit=1_000_000)
        if watcher.revision != member.machine.revision:
            raise SimulationFailedError(
                f"a watcher ends at {watcher.revision} instead of {member.machine.revision}"
            )

    def events(self) -> Events:
        entries = self.checks.entries_applied
        return Events(
            self.checks.elections,
            self.shared.starts - len(self.members),
            sum(entry.kind is EntryKind.MEMBERSHIP for entry in entries),
            self.shared.installed,
            sum(watcher.relisted for watcher in self.watchers),
            sum(call.revision < 0 for call in self.history),
        )

    def digest(self) -> str:
        """Return the digest that two runs of one seed must have in common."""
        facts = (self.world.now, self.world.steps, self.history, self.checks.entries_applied)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def run(
    seed: int,
    parts: MemberParts = STANDARD_MEMBER_PARTS,
    profile: Profile | None = None,
    trace_lines: int = 60,
) -> Result:
    """Run one seed; report a property that does not hold in the result instead of raising.

    Without a ``profile`` the seed decides on the profile, too.
    """
    failure = None
    undecided = 0
    simulation = Simulation(seed, parts, profile)
    try:
        undecided = simulation.run()
    except SimulationFailedError as error:
        failure = f"at {simulation.world.now:.3f} s: {error}"
    trace: tuple[str, ...] = ()
    if failure is not None:
        trace = tuple(
            f"{at:9.4f} {member or '-'} {str(what)[:200]}"
            for at, member, what in list(simulation.world.trace)[-trace_lines:]
        )
    return Result(
        seed,
        failure,
        len(simulation.history),
        len(simulation.checks.events) - 1,
        simulation.world.steps,
        simulation.world.now,
        undecided,
        simulation.digest(),
        simulation.events(),
        trace,
    )
