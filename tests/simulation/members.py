"""A member: the real core, driven by a simulated shell.

Owns: the carrying out of effects in their order, group commit on the simulated disk, snapshots,
crashes between any two of these, pauses, restarts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from podraft.server.raft.core import Event, RaftCore, Received, Restored
from podraft.server.raft.effects import Effects, SendSnapshot, Write
from podraft.server.raft.entries import Entry, SnapshotMark
from podraft.server.raft.errors import InvariantViolatedError
from podraft.server.raft.events import (
    AnnounceCommit,
    Applied,
    Compacted,
    Persisted,
    Proposal,
    Proposed,
    ReadsRequested,
    SnapshotSent,
    Tick,
)
from podraft.server.raft.member import Role
from podraft.server.raft.messages import InstallSnapshot, Message, without_outdated
from podraft.server.raft.options import RaftOptions, RandomSource
from podraft.server.state.datastore import Record
from simulation.checks import GroupChecks
from simulation.contracts import check_durability, check_membership, check_sent
from simulation.disk import Disk
from simulation.machine import Answer, Image, Machine
from simulation.network import Network
from simulation.world import SimulationFailedError, World

TICK_S = 0.05
CoreFactory = Callable[[int, Restored, RaftOptions, RandomSource], RaftCore]


@dataclass(slots=True)
class Shared:
    """What all members of a run have in common."""

    world: World
    network: Network
    checks: GroupChecks
    make_core: CoreFactory
    options: RaftOptions
    random: Random
    sync_crash: float  # How probably a crash meets the moment around a sync.
    snapshot_entries: int
    kept_entries: int
    kept_revisions: int
    # How probably a sync stalls, and for how long at most: elections take part of a second.
    stalls: float = 0.0
    stall_max_s: float = 3.0
    truncated: Callable[[SimulatedMember], None] | None = None
    elected: Callable[[SimulatedMember], None] | None = None
    committed: Callable[[SimulatedMember], None] | None = None
    next_id: int = 0
    starts: int = 0
    installed: int = 0

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id


@dataclass(slots=True)
class _Batch:
    """Writes that are synced together, and what may be sent then."""

    writes: int = 0
    sequence: int = 0
    messages: list[Message] = field(default_factory=list)


WriteDone = Callable[[Answer | None], None]
ReadDone = Callable[[Record | None, int], None]


class SimulatedMember:
    """One member through all its lives."""

    def __init__(self, identity: int, mark: SnapshotMark, shared: Shared) -> None:
        self.id = identity
        self.shared = shared
        self.disk = Disk(mark, Image())
        self.tick_s = TICK_S
        self.sync_s = 0.002
        # A shell that does not is slower to tell its followers, nothing more.
        self.announces = identity % 2 == 1
        self.life = 0
        self.paused_until = 0.0
        self.core: RaftCore | None = None
        self.machine = Machine(self.disk.image)
        self.start()

    # Life and death.

    @property
    def alive(self) -> bool:
        return self.core is not None

    @property
    def leads(self) -> bool:
        return self.core is not None and self.core.member.role is Role.LEADER

    def start(self) -> None:
        if self.core is not None:
            return
        shared = self.shared
        self.life += 1
        shared.starts += 1
        source = shared.world.random(f"member {self.id} life {self.life}")
        shared.world.note(self.id, "starts")
        self.machine = Machine(self.disk.image)
        self.core = core = shared.make_core(self.id, self.disk.restored(), shared.options, source)
        self._commit_seen = core.log.commit
        self._written_to = core.log.last_index
        self._term_led = 0
        self._syncing: _Batch | None = None
        self._queued = _Batch()
        self._images: dict[SnapshotMark, Image] = {}
        self._writes: dict[int, WriteDone] = {}
        self._reads: dict[int, tuple[bytes, ReadDone]] = {}
        self._waiting_reads: list[tuple[int, int]] = []
        self._saving = False
        self._announcing = False
        shared.world.after(shared.random.random() * self.tick_s, self._tick, self.life)

    def crash(self) -> None:
        if self.core is None:
            return
        self.shared.world.note(self.id, "crashes")
        self.core = None
        self.paused_until = 0.0
        self.disk.crash(self.shared.random)

    def pause(self, duration_s: float) -> None:
        self.paused_until = self.shared.world.now + duration_s

    def _suspended(self, action: Callable[..., None], *arguments: object) -> bool:
        """While stopped, everything waits; it all happens when the process continues."""
        world = self.shared.world
        if world.now >= self.paused_until:
            return False
        world.after(self.paused_until - world.now, action, *arguments)
        return True

    # What happens to the member.

    def _tick(self, life: int) -> None:
        if life != self.life or self.core is None or self._suspended(self._tick, life):
            return
        self.shared.world.after(self.tick_s, self._tick, life)
        self.step(_TICK)

    def receive(self, message: Message, attachment: object) -> None:
        if self.core is None or self._suspended(self.receive, message, attachment):
            return
        if type(message) is InstallSnapshot:
            assert isinstance(attachment, Image)
            self._images[message.mark] = attachment
            self.step(Received(message))
            self._images.clear()
            return
        self.step(Received(message))

    def write(self, payload: bytes, done: WriteDone) -> None:
        """Propose; ``done(None)``: refused.  No answer at all is possible, too."""
        if self.core is None or self._suspended(self.write, payload, done):
            return
        number = self.shared.new_id()
        self._writes[number] = done
        self.step(Proposed((Proposal(number, payload),)))

    def read(self, key: bytes, done: ReadDone) -> None:
        """A linearizable read; ``done(None, -1)``: refused."""
        if self.core is None or self._suspended(self.read, key, done):
            return
        number = self.shared.new_id()
        self._reads[number] = (key, done)
        self.step(ReadsRequested((number,)))

    def step(self, event: Event) -> None:
        core = self.core
        if core is None:
            return
        if event is not _TICK:
            self.shared.world.note(self.id, event)
        try:
            effects = core.step(event)
        except InvariantViolatedError as error:
            raise SimulationFailedError(f"member {self.id} stops: {error}") from error
        if core.member.role is Role.LEADER and core.member.term != self._term_led:
            self._term_led = core.member.term
            self.shared.world.note(self.id, f"leads in term {self._term_led}")
            self.shared.checks.elected(self.id, self.life, self._term_led, core.log)
            if self.shared.elected is not None:
                self.shared.world.after(0.0, self.shared.elected, self)
        check_durability(core, self.disk)
        if core.log.commit != self._commit_seen:
            term = core.member.term
            self.shared.checks.committed_to(self.id, term, core.log, self._commit_seen + 1)
            self._commit_seen = core.log.commit
            if self.shared.committed is not None and self.leads:
                self.shared.committed(self)
        if core.unannounced and not self._announcing and self.announces:
            self._announcing = True
            self.shared.world.after(0.005, self._announce, self.life)
        self._carry_out(core, effects)

    def _announce(self, life: int) -> None:
        if life != self.life or self._suspended(self._announce, life):
            return
        self._announcing = False
        self.step(AnnounceCommit())

    # Effects, in their order.

    def _carry_out(self, core: RaftCore, effects: Effects) -> None:
        for message in effects.messages_now:
            self._send(message)
        write = effects.write
        if write is not None:
            if write.entries:
                self._look_for_truncation(core, write)
                previous = core.log.term_at(write.entries[0].index - 1) or 0
                self.shared.checks.appended(self.id, write.entries, previous)
            image = self._images.get(write.snapshot) if write.snapshot is not None else None
            self.disk.write(write, image)
            if image is not None:
                self._install(image)
            self._queued.writes += 1
            self._queued.sequence = write.sequence
        last = self._queued if self._queued.writes else self._syncing
        if last is not None:
            last.messages.extend(effects.messages_after_persist)
        else:
            for message in effects.messages_after_persist:
                self._send(message)
        if write is not None and self._syncing is None:
            self._begin_sync()
        for ready in effects.reads:
            self._waiting_reads.append((ready.index, ready.id))
        for refused in effects.refused:
            self._refused(refused.id)
        for request in effects.snapshots:
            self._send_snapshot(core, request)
        if effects.committed:
            self._apply(effects.committed)
        if self._waiting_reads:
            self._serve_reads()

    def _send(self, message: Message) -> None:
        check_sent(message, self.disk)
        self.shared.network.send(message)

    def _look_for_truncation(self, core: RaftCore, write: Write) -> None:
        """Entries that were handed to the disk before are replaced."""
        first = write.entries[0].index
        replaced = first <= self._written_to and write.snapshot is None
        self._written_to = write.entries[-1].index
        if replaced:
            check_membership(self.id, core.log)
            if self.shared.truncated is not None:
                self.shared.world.after(0.0, self.shared.truncated, self)

    @property
    def owes_disk(self) -> bool:
        """Whether writes are under way to the disk."""
        return bool(self.disk.pending)

    def _begin_sync(self) -> None:
        shared = self.shared
        self._syncing, self._queued = self._queued, _Batch()
        delay = self.sync_s * (0.5 + shared.random.random())
        if shared.stalls and shared.random.random() < shared.stalls:
            delay += shared.stall_max_s * shared.random.random()
        shared.world.after(delay, self._synced, self.life)

    def _synced(self, life: int) -> None:
        if life != self.life or self.core is None or self._suspended(self._synced, life):
            return
        batch, self._syncing = self._syncing, None
        assert batch is not None
        crash_at = -1
        if self.shared.sync_crash and self.shared.random.random() < self.shared.sync_crash:
            # Before the sync, or after it with none, some or all of the messages sent.
            crash_at = self.shared.random.randrange(len(batch.messages) + 2)
            if crash_at == 0:
                self._crash_and_restart()
                return
        self.disk.sync(batch.writes)
        messages = without_outdated(batch.messages) if self.announces else batch.messages
        for number, message in enumerate(messages, 1):
            if number == crash_at:
                break
            self._send(message)
        if crash_at > 0:
            self._crash_and_restart()
            return
        if self._queued.writes:
            self._begin_sync()
        self.step(Persisted(batch.sequence))

    def _crash_and_restart(self) -> None:
        self.crash()
        self.shared.world.after(0.05 + self.shared.random.random(), self.start)

    def _refused(self, number: int) -> None:
        if (write := self._writes.pop(number, None)) is not None:
            write(None)
        elif (read := self._reads.pop(number, None)) is not None:
            read[1](None, -1)

    def _apply(self, entries: tuple[Entry, ...]) -> None:
        machine, checks = self.machine, self.shared.checks
        for entry in entries:
            if entry.index != machine.index + 1:
                raise SimulationFailedError(
                    f"member {self.id} is given entry {entry.index} after {machine.index}"
                )
            answer, events = machine.apply(entry)
            checks.applied(self.id, entry, events, machine.keyspace.digest)
            done = self._writes.pop(entry.proposal, None)
            if done is not None:
                done(answer)
        self.step(Applied(machine.index))
        if (
            not self._saving
            and machine.index - self.disk.image.index >= self.shared.snapshot_entries
        ):
            self._saving = True
            delay = self.sync_s * (2 + 5 * self.shared.random.random())
            self.shared.world.after(delay, self._saved, self.life, machine.image())

    def _serve_reads(self) -> None:
        machine = self.machine
        waiting, self._waiting_reads = self._waiting_reads, []
        for index, number in waiting:
            if index > machine.index:
                self._waiting_reads.append((index, number))
            elif (read := self._reads.pop(number, None)) is not None:
                key, done = read
                done(machine.keyspace.get(key), machine.revision)

    # Snapshots.

    def _saved(self, life: int, image: Image) -> None:
        if life != self.life or self.core is None:
            return
        self._saving = False
        start = max(image.index - self.shared.kept_entries, self.core.log.start)
        if image.index <= self.disk.image.index or start <= self.disk.start.index:
            return
        if any(write.snapshot is not None for write, _ in self.disk.pending):
            return
        self.disk.save(image, self.core.mark_at(start))
        self.machine.compact(self.machine.revision - self.shared.kept_revisions)
        self.step(Compacted(start))

    def _send_snapshot(self, core: RaftCore, request: SendSnapshot) -> None:
        image = self.machine.image()
        mark = core.mark_at(image.index)
        world, random = self.shared.world, self.shared.random
        self.shared.network.send(InstallSnapshot(self.id, request.to, request.term, mark), image)
        report = SnapshotSent(request.to, None if random.random() < 0.2 else mark)
        world.after(0.05 + 0.3 * random.random(), self._report, self.life, report)

    def _report(self, life: int, report: SnapshotSent) -> None:
        if life == self.life and self.core is not None:
            self.step(report)

    def _install(self, image: Image) -> None:
        self.machine = Machine(image)
        self.shared.installed += 1


_TICK = Tick()
