"""A member: the real core, driven by a simulated shell.

Owns: carrying out effects in their order, group commit on the simulated disk, snapshots, crashes
between any two of these, pauses, restarts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from podraft.server.raft.core import RaftCore, Received
from podraft.server.raft.effects import SendSnapshot, Write
from podraft.server.raft.entries import SnapshotMark
from podraft.server.raft.errors import InvariantViolatedError
from podraft.server.raft.events import Change, SnapshotSent
from podraft.server.raft.messages import InstallSnapshot, Message
from podraft.server.replication.core.effects import (
    After,
    Apply,
    CompactLog,
    Gather,
    Install,
    LeaderChanged,
    MembershipChanged,
    Send,
    Settled,
    Unanswered,
)
from podraft.server.replication.core.events import (
    AnnounceDue,
    ChangeWanted,
    Durable,
    HandOverWanted,
    Installed,
    LinkLost,
    MemberEvent,
    Pinned,
    PortionApplied,
    ReadersCame,
    Stored,
    Submitted,
    Ticked,
    TransferWanted,
    Undelivered,
    Unpinned,
)
from podraft.server.replication.core.member_core import MemberCore
from podraft.server.state.datastore import Record, Transaction
from simulation.contracts import (
    check_compaction,
    check_durability,
    check_membership,
    check_sent,
    check_settled,
)
from simulation.disk import Disk
from simulation.machine import Answer, Image, Machine, decode_request
from simulation.shared import Shared
from simulation.world import SimulationFailedError
from support.raft_inspection import consensus_of

TICK_S = 0.05
_TICKED = Ticked()
# The events that can change what a core believes durable.
_ABOUT_DURABILITY = (Received, Durable, Installed)

WriteDone = Callable[[Answer | Exception], None]
ReadDone = Callable[[Record | None, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A command that a client waits for."""

    payload: bytes
    transaction: Transaction
    done: WriteDone


@dataclass(frozen=True, slots=True, eq=False)
class Readers:
    """Clients that wait for the same read."""

    waiting: list[tuple[bytes, ReadDone]]


@dataclass(frozen=True, slots=True, eq=False)
class Administrator:
    """The administrator who waits for a change of the group (None: a transfer)."""

    change: Change | None
    asked_after: int  # The last entry that any member knew to be committed when it was asked for.


class SimulatedMember:
    """One member through all its lives."""

    def __init__(self, identity: int, mark: SnapshotMark, shared: Shared) -> None:
        self.id = identity
        self.shared = shared
        self._world = shared.world
        self.disk = Disk(mark, Image())
        self.tick_s = TICK_S
        self.sync_s = 0.002
        # A shell that does not announce is slower to tell its followers, nothing more.
        self.announces = identity % 2 == 1
        self.life = 0
        self.paused_until = 0.0
        self.core: MemberCore | None = None
        self.machine = Machine(self.disk.image)
        self._actions: dict[type, Callable[[Any], None]] = {
            Send: self._send,
            Write: self._write,
            CompactLog: self._compact,
            Apply: self._apply,
            Install: self._install,
            SendSnapshot: self._send_snapshot,
            Unanswered: self._unanswered,
            Settled: self._settled,
            LeaderChanged: lambda _: None,
            MembershipChanged: lambda _: None,
            After: self._after,
            Gather: self._gather,
        }
        self.start()

    # Life and death.

    @property
    def alive(self) -> bool:
        return self.core is not None

    @property
    def leads(self) -> bool:
        return self.core is not None and self.core.leadership.leader == self.id

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an outcome any more."""
        return self.core is not None and not self.core.waiting

    def start(self) -> None:
        if self.core is not None:
            return
        shared = self.shared
        self.life += 1
        shared.starts += 1
        source = shared.world.random(f"member {self.id} life {self.life}")
        shared.world.note(self.id, "starts")
        restored = self.disk.restored()
        self.machine = Machine(self.disk.image)
        first_id = (self.id << 32 | self.life) << 64 | 1
        self.core = core = MemberCore(
            self.id, restored, shared.options, shared.bounds, source, first_id, shared.parts
        )
        self._consensus: RaftCore = consensus_of(core)
        log = self._consensus._log
        self._commit_seen = log.commit
        self._written_to = log.last_index
        # The term of each entry as last written.
        self._terms = {index: log.term_at(index) for index in range(log.start, log.last_index + 1)}
        self._leadership = self._consensus.leadership
        # Records that are being synced, and those that wait; the newest write's sequence.
        self._syncing = 0
        self._queued = 0
        self._sequence = 0
        # How many more messages leave before a crash; -1: no crash is planned.
        self._messages_left = -1
        self._events: deque[MemberEvent] = deque()
        self._handling = False
        self._images: dict[SnapshotMark, Image] = {}
        self._pins: dict[int, int] = {}
        self._saving = False
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
        """Postpone an action while the process is stopped; return whether it was postponed."""
        world = self.shared.world
        if world.now >= self.paused_until:
            return False
        world.after(self.paused_until - world.now, action, *arguments)
        return True

    # Events that happen to the member.

    def _tick(self, life: int) -> None:
        if life != self.life or self.core is None or self._suspended(self._tick, life):
            return
        self.shared.world.after(self.tick_s, self._tick, life)
        self._handle(_TICKED)

    def receive(self, message: Message, attachment: object) -> None:
        if self.core is None or (
            self._world.now < self.paused_until
            and self._suspended(self.receive, message, attachment)
        ):
            return
        if type(message) is InstallSnapshot:
            assert isinstance(attachment, Image)
            self._images[message.mark] = attachment
        self._handle(Received(message))

    def write(self, payload: bytes, done: WriteDone) -> None:
        """Propose a transaction; there may be no answer at all."""
        if self.core is None or self._suspended(self.write, payload, done):
            return
        self._handle(Submitted((Asked(payload, decode_request(payload).transaction, done),)))

    def read(self, key: bytes, done: ReadDone) -> None:
        """Read linearizably; ``done(None, -1)`` reports a failure."""
        if self.core is None or self._suspended(self.read, key, done):
            return
        readers = self.core.joinable_readers
        if readers is None:
            readers = Readers([])
            self._handle(ReadersCame(readers))
        readers.waiting.append((key, done))

    def _administrator(self, change: Change | None) -> Administrator:
        return Administrator(change, self.shared.checks.committed)

    def change(self, change: Change) -> None:
        self._handle(ChangeWanted(self._administrator(change), change))

    def transfer(self, target: int) -> None:
        self._handle(TransferWanted(self._administrator(None), target))

    def hand_over(self, reachable: tuple[int, ...]) -> None:
        self._handle(HandOverWanted(self._administrator(None), reachable))

    def link_lost(self, peer: int) -> None:
        self._report(self.life, LinkLost(peer))

    def _report(self, life: int, event: MemberEvent) -> None:
        """Handle the end of something begun in ``life``, or the arrival of its time."""
        if life != self.life or self.core is None or self._suspended(self._report, life, event):
            return
        self._handle(event)

    def _later(self, delay_s: float, event: MemberEvent) -> None:
        self.shared.world.after(delay_s, self._report, self.life, event)

    def _handle(self, event: MemberEvent) -> None:
        if self._handling:
            self._events.append(event)
            return
        if self.core is not None:
            self._handling = True
            self._take(self.core, event)
            while self._events and self.core is not None:
                self._take(self.core, self._events.popleft())
            self._handling = False
        if self._queued and not self._syncing and self.core is not None:
            self._begin_sync()

    def _take(self, core: MemberCore, event: MemberEvent) -> None:
        world = self._world
        if event is not _TICKED:
            world.note(self.id, event)
        try:
            effects = core.handle(event, world.now)
        except InvariantViolatedError as error:
            raise SimulationFailedError(f"member {self.id} stops: {error}") from error
        consensus = self._consensus
        if consensus.leadership is not self._leadership:
            self._leader_changed()
        if type(event) in _ABOUT_DURABILITY:
            check_durability(consensus, self.disk)
        if consensus._log.commit != self._commit_seen:
            self._committed()
        actions = self._actions
        for effect in effects:
            actions[type(effect)](effect)
            if self.core is not core:
                return

    def _leader_changed(self) -> None:
        """Check a new leader, and tell those who wait for such moments."""
        shared, leadership = self.shared, self._consensus.leadership
        self._leadership = leadership
        if leadership.leader == self.id:
            shared.world.note(self.id, f"leads in term {leadership.term}")
            shared.checks.elected(self.id, self.life, leadership.term, self._consensus._log)
            if shared.elected is not None:
                shared.world.after(0.0, shared.elected, self)

    def _committed(self) -> None:
        """Check newly committed entries, and tell those who wait for such moments."""
        shared, log = self.shared, self._consensus._log
        shared.checks.committed_to(self.id, self._leadership.term, log, self._commit_seen + 1)
        self._commit_seen = log.commit
        if shared.committed is not None and self.leads:
            shared.committed(self)

    # Effects, in their order.

    def _send(self, effect: Send) -> None:
        for message in effect.messages:
            if self._messages_left == 0:
                self._crash_and_restart()
                return
            self._messages_left -= self._messages_left > 0
            check_sent(message, self.disk)
            if not self.shared.network.send(message):
                self._events.append(Undelivered(message))

    def _after(self, effect: After) -> None:
        if self.announces or type(effect.event) is not AnnounceDue:
            self._later(effect.delay_s, effect.event)

    def _gather(self, effect: Gather) -> None:
        self._later(self.shared.gather_s * self.shared.random.random(), effect.event)

    # The disk.

    def _write(self, write: Write) -> None:
        if write.snapshot is not None:
            self._terms[write.snapshot.index] = write.snapshot.term
        if write.entries:
            self._look_for_truncation(write)
            previous = self._terms.get(write.entries[0].index - 1) or 0
            self.shared.checks.appended(self.id, write.entries, previous)
            self._terms.update((entry.index, entry.term) for entry in write.entries)
        self._sequence = write.sequence
        self._queue(write)

    def _compact(self, effect: CompactLog) -> None:
        check_compaction(self.id, effect.mark, self.disk, self._pins, self._kept_for_pins())
        self._queue(effect)

    def _kept_for_pins(self) -> int:
        """Return the index from which entries that somebody needs must be kept."""
        return self.machine.index - 10 * self.shared.options.kept_entries

    def _queue(self, records: Write | CompactLog) -> None:
        self.disk.write(records)
        self._queued += 1

    def _look_for_truncation(self, write: Write) -> None:
        """Notice writes that replace entries handed to the disk before."""
        first = write.entries[0].index
        replaced = first <= self._written_to and write.snapshot is None
        self._written_to = write.entries[-1].index
        if replaced:
            check_membership(self.id, self._consensus._log)
            if self.shared.truncated is not None:
                self.shared.world.after(0.0, self.shared.truncated, self)

    @property
    def owes_disk(self) -> bool:
        """Whether writes are under way to the disk."""
        return bool(self.disk.pending)

    def _begin_sync(self) -> None:
        shared = self.shared
        self._syncing, self._queued = self._queued, 0
        delay = self.sync_s * (0.5 + shared.random.random())
        if shared.stalls and shared.random.random() < shared.stalls:
            delay += shared.stall_max_s * shared.random.random()
        shared.world.after(delay, self._synced, self.life, self._sequence)

    def _synced(self, life: int, sequence: int) -> None:
        if life != self.life or self.core is None or self._suspended(self._synced, life, sequence):
            return
        if self.shared.sync_crash and self.shared.random.random() < self.shared.sync_crash:
            # Crash before the sync, or after it with none, some or all of the messages sent.
            self._messages_left = self.shared.random.randrange(4) - 1
            if self._messages_left < 0:
                self._crash_and_restart()
                return
        self.disk.sync(self._syncing)
        self._syncing = 0
        self._handle(Durable(sequence))
        if self._messages_left >= 0 and self.core is not None:
            self._crash_and_restart()

    def _crash_and_restart(self) -> None:
        self.crash()
        self.shared.world.after(0.05 + self.shared.random.random(), self.start)

    # The state machine.

    def _apply(self, effect: Apply) -> None:
        machine, checks = self.machine, self.shared.checks
        for entry, asked in zip(effect.entries, effect.commands, strict=True):
            if entry.index != machine.index + 1:
                raise SimulationFailedError(
                    f"member {self.id} is given entry {entry.index} after {machine.index}"
                )
            answer, events = machine.apply(entry)
            checks.applied(self.id, entry, events, machine.keyspace.digest)
            if asked is not None:
                if answer is None or asked.payload != entry.payload:
                    raise SimulationFailedError(
                        f"member {self.id} tells a client the outcome of another's entry"
                    )
                asked.done(answer)
        full = bool(self.shared.fullness) and self.shared.random.random() < self.shared.fullness
        # Before anything else that has happened meanwhile.
        self._events.appendleft(PortionApplied(full=full))
        if full:
            # Mostly short, rarely long.
            delay = 3 * self.shared.random.random() ** 6
            self._later(delay, Stored(self.disk.image.index, full=False))
        self._save_soon()

    def _unanswered(self, effect: Unanswered) -> None:
        self.shared.unanswered += 1
        effect.command.done(effect.error)

    def _settled(self, effect: Settled) -> None:
        waiter, error = effect.waiter, effect.error
        if isinstance(waiter, Readers):
            machine = self.machine
            for key, done in waiter.waiting:
                if error is None:
                    done(machine.keyspace.get(key), machine.revision)
                else:
                    done(None, -1)
        elif waiter.change is not None:
            since = self.shared.checks.memberships(waiter.asked_after)
            check_settled(waiter.change, error, since, self.shared.refused_contexts)

    # Snapshots.

    def _save_soon(self) -> None:
        behind = self.machine.index - self.disk.image.index
        if not self._saving and behind >= self.shared.snapshot_entries:
            self._saving = True
            delay = self.sync_s * (2 + 5 * self.shared.random.random())
            self.shared.world.after(delay, self._saved, self.life, self.machine.image())

    def _saved(self, life: int, image: Image) -> None:
        if life != self.life or self.core is None:
            return
        self._saving = False
        if image.index > self.disk.image.index:
            self.disk.save(image)
            self.machine.compact(self.machine.revision - self.shared.kept_revisions)
            self._report(life, Stored(image.index, full=False))

    def _send_snapshot(self, request: SendSnapshot) -> None:
        core, image = self.core, self.machine.image()
        mark = core.mark_at(image.index) if core is not None else None
        random = self.shared.random
        if mark is not None:
            self._pins[request.to] = mark.index
            self._events.append(Pinned(request.to, mark.index))
            message = InstallSnapshot(self.id, request.to, request.term, mark)
            self.shared.network.send(message, image)
        report = SnapshotSent(request.to, None if random.random() < 0.2 else mark)
        delay = 0.05 + 0.3 * random.random()
        self._later(delay, report)
        self.shared.world.after(2 * delay, self._unpin, self.life, request.to)

    def _unpin(self, life: int, to: int) -> None:
        if life != self.life or self.core is None or self._suspended(self._unpin, life, to):
            return
        self._pins.pop(to, None)
        self._handle(Unpinned(to))

    def _install(self, effect: Install) -> None:
        delay = self.shared.install_s * self.shared.random.random()
        self.shared.world.after(delay, self._installed, self.life, effect.mark)

    def _installed(self, life: int, mark: SnapshotMark) -> None:
        if life != self.life or self.core is None or self._suspended(self._installed, life, mark):
            return
        image = self._images[mark]
        self.disk.install(image, mark)
        self.machine = Machine(image)
        self.shared.installed += 1
        self._handle(Installed(mark))
        if self.core is not None and not self.core.installing:
            self._images.clear()
