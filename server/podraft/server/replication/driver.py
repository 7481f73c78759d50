"""The shell that drives one member of a group: core, disk and network overlapped.

Owns: the core, its clock, and the order in which its effects are carried out:

    event -> core -> messages that claim nothing leave at once
                  -> write: queued for the disk; when it is durable, the messages that
                     depended on it leave, then the core is told
                  -> committed entries are applied, some in each turn of the loop

Invariants: nothing here waits: disk and network work elsewhere and report to the loop.  A message
that claims persistence leaves after its write and all earlier ones are durable.  Entries are
applied in order, each once.  Whatever goes wrong inside stops the member: it must not diverge.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from podraft.server.raft.core import Event, RaftCore, Received, Restored, Status
from podraft.server.raft.effects import Effects, SendSnapshot, Write
from podraft.server.raft.entries import (
    NOBODY,
    Entry,
    EntryKind,
    HardState,
    MemberId,
    Membership,
    SnapshotMark,
)
from podraft.server.raft.events import (
    AnnounceCommit,
    Applied,
    Compacted,
    Persisted,
    Proposed,
    ReadsRequested,
    SnapshotSent,
    Tick,
    TransferLeadership,
)
from podraft.server.raft.member import Role
from podraft.server.raft.messages import AskRead, Forward, Message, without_outdated
from podraft.server.raft.options import RandomSource
from podraft.server.replication.barriers import ReadBarriers
from podraft.server.replication.group_changes import GroupChanges
from podraft.server.replication.log.member_storage import MemberStorage
from podraft.server.replication.log.records import encode_base, encode_entry, encode_hard_state
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.own_proposals import OwnProposals
from podraft.server.store.log.seam import CommittedBatch, OnCommitted, OnFailed, Proposal
from podraft.server.store.options import StoreOptions

_LOG = logging.getLogger(__name__)
# No proposal or read has it; nobody waits for its refusal.
_TRANSFER_ID = 1

# Sends without waiting; returns False if the message certainly will not arrive.
Send: TypeAlias = Callable[[Message], bool]
# Begins to put a received snapshot in the place of the state machine.
Install: TypeAlias = Callable[[SnapshotMark], None]


@dataclass(frozen=True, slots=True)
class DriverParts:
    """What a driver drives, and what it tells the world through."""

    storage: MemberStorage
    send: Send
    random: RandomSource
    send_snapshot: Callable[[SendSnapshot], None]
    install: Install


class MemberDriver:
    """One member's ``Log``; lives on the loop that made it."""

    def __init__(
        self,
        identity: MemberId,
        restored: Restored,
        parts: DriverParts,
        options: MemberOptions,
        store_options: StoreOptions,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._options = options
        self._store_options = store_options
        self._storage = parts.storage
        self._send = parts.send
        self._send_snapshot = parts.send_snapshot
        self._install = parts.install
        self._installing: SnapshotMark | None = None
        self._held_writes: list[Write] = []
        self._core = core = RaftCore(identity, restored, options.raft, parts.random)
        self._events: deque[Event] = deque()
        self._stepping = False
        self._sequence = 0
        self._persisted_sequence = 0
        self._after: deque[tuple[int, tuple[Message, ...]]] = deque()
        self._deliverable: deque[Entry] = deque()
        self._apply_scheduled = False
        self._applied_index = core.log.applied
        self._applied_term = 0
        # How much each applied batch added to the log: its last index, its bytes.
        self._applied_sizes: deque[tuple[int, int]] = deque()
        self._applied_bytes = 0
        self._known_leader: tuple[int, MemberId] = (0, NOBODY)
        # In how many terms this member has seen a leader.
        self.leader_changes = 0
        self._led_by_other = asyncio.Event()
        self._pins: dict[MemberId, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._announcing: asyncio.TimerHandle | None = None
        self._stopped = False
        self.proposals = OwnProposals(
            core.member,
            options,
            store_options,
            offer=lambda offered: self._step(Proposed(offered)),
        )
        self.reads = ReadBarriers(
            core.member,
            options,
            store_options,
            ask=lambda number: self._step(ReadsRequested((number,))),
        )
        self.reads.applied(self._applied_index)
        self.group = GroupChanges(core, self._step)
        self._full: Callable[[], bool] = bool
        # How members are called in the log.
        self.name_of: Callable[[MemberId], str] = str
        self._committed: OnCommitted
        self._failed: OnFailed

    @property
    def status(self) -> Status:
        """How the core sees the group."""
        return self._core.status

    @property
    def membership(self) -> Membership:
        """Who replicates the log now."""
        return self._core.log.membership

    @property
    def ready(self) -> bool:
        """Whether ``propose`` takes more."""
        options = self._store_options
        return (
            self.proposals.waiting < options.queue_transactions
            and self.proposals.waiting_bytes < options.queue_bytes
        )

    def start(
        self, committed: OnCommitted, failed: OnFailed, full: Callable[[], bool] = bool
    ) -> None:
        """Begin; while ``full`` returns True nothing is applied (``resume_applying`` goes on)."""
        self._committed, self._failed, self._full = committed, failed, full
        self._storage.start(self._durable, self._stop)
        self._timer = self._loop.call_later(self._options.tick_s, self._tick)

    def propose(self, proposals: Sequence[Proposal]) -> None:
        """Propose transactions, wherever the leader is; their outcomes come when applied here."""
        self.proposals.submit(proposals)

    def link_lost(self, peer: MemberId) -> None:
        """The connection to ``peer`` has ended, and what was on it may be lost."""
        self.proposals.link_lost(peer)

    def receive(self, message: Message) -> None:
        """Take what another member says."""
        self._step(Received(message))

    # The clock.

    def _tick(self) -> None:
        # Ticks that were missed, because the process stood still, are not made up for: what
        # arrived meanwhile is to be heard first.
        if self._stopped:
            return
        self._timer = self._loop.call_later(self._options.tick_s, self._tick)
        self._step(Tick())
        self.proposals.expire()
        self.proposals.resume()
        self.reads.expire()
        self.reads.resume()

    # Leaving.

    async def hand_over(self, reachable: Sequence[MemberId], within_s: float) -> None:
        """Let another member lead, if this one does: quicker than letting the others notice."""
        member = self._core.member
        heirs = {
            peer: member.peers[peer].match
            for peer in reachable
            if peer in member.peers and peer in self._core.log.membership.voters
        }
        if self._stopped or member.role is not Role.LEADER or not heirs:
            return
        self._led_by_other.clear()
        self._step(TransferLeadership(_TRANSFER_ID, max(heirs, key=lambda peer: heirs[peer])))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._led_by_other.wait()

    # The core.

    def _step(self, event: Event) -> None:
        self._events.append(event)
        if self._stepping or self._stopped:
            return
        self._stepping = True
        try:
            while self._events and not self._stopped:
                self._carry_out(self._core.step(self._events.popleft()))
            self.group.look()
        except Exception as error:  # noqa: BLE001 - Whatever it is, this member must not go on.
            self._stop(error)
        finally:
            self._stepping = False
        if self._announcing is None and self._core.unannounced:
            self._announcing = self._loop.call_later(self._options.announce_s, self._announce)
        leader = (self._core.member.term, self._core.member.leader)
        if leader != self._known_leader:
            self._known_leader = leader
            if leader[1] not in (NOBODY, self._core.member.id):
                self._led_by_other.set()
            self.leader_changes += leader[1] != NOBODY
            _LOG.info("%s", self._describe_leader(*leader))
            self.proposals.resume()
            self.reads.resume()
            self.group.led_by(leader[1])

    def _announce(self) -> None:
        self._announcing = None
        self._step(AnnounceCommit())

    def _describe_leader(self, term: int, leader: MemberId) -> str:
        if leader == self._core.member.id:
            return f"this member leads in term {term}"
        if leader == NOBODY:
            return f"no leader in term {term}"
        return f"member {self.name_of(leader)} leads in term {term}"

    def _carry_out(self, effects: Effects) -> None:
        for message in effects.messages_now:
            if not self._send(message):
                self._undelivered(message)
        if effects.write is not None:
            self._write(effects.write)
        if effects.messages_after_persist:
            self._send_when_durable(effects.messages_after_persist)
        if effects.committed:
            self._deliverable.extend(effects.committed)
            self._apply()
        for read in effects.reads:
            self.reads.ready(read.id, read.index)
        for refused in effects.refused:
            self.proposals.refused(refused.id, refused.reason)
            self.reads.refused(refused.id)
            self.group.refused(refused.id, refused.reason)
        for wanted in effects.snapshots:
            self._send_snapshot(wanted)

    def _undelivered(self, message: Message) -> None:
        """What a leader is asked for is asked again later; the core repeats the rest."""
        if isinstance(message, Forward):
            self.proposals.undelivered([proposal.id for proposal in message.proposals])
        elif isinstance(message, AskRead):
            for number in message.ids:
                self.reads.refused(number)

    # The disk.

    def _write(self, write: Write) -> None:
        self._sequence = write.sequence
        if write.snapshot is not None:
            self._begin_install(write.snapshot)
        if self._installing is not None:
            # The log must not begin behind a state which the disk does not have.
            self._held_writes.append(write)
        else:
            self._write_now(write)

    def _write_now(self, write: Write) -> None:
        records = []
        if write.snapshot is not None:
            records.append(encode_base(write.snapshot))
        if write.hard_state is not None:
            records.append(encode_hard_state(write.hard_state))
        records += [encode_entry(entry) for entry in write.entries]
        last_index = write.entries[-1].index if write.entries else 0
        self._storage.write(write.sequence, records, last_index)

    def _send_when_durable(self, messages: tuple[Message, ...]) -> None:
        if self._persisted_sequence >= self._sequence:
            for message in messages:
                self._send(message)
        else:
            self._after.append((self._sequence, messages))

    def _durable(self, sequence: int) -> None:
        if self._stopped:
            return
        self._persisted_sequence = sequence
        messages: list[Message] = []
        while self._after and self._after[0][0] <= sequence:
            messages += self._after.popleft()[1]
        for message in without_outdated(messages):
            self._send(message)
        self._step(Persisted(sequence))

    # Snapshots.

    def _begin_install(self, mark: SnapshotMark) -> None:
        self._deliverable.clear()
        self.proposals.skipped()
        running, self._installing = self._installing, mark
        if running is None:
            self._install(mark)

    @property
    def installing(self) -> bool:
        """Whether a snapshot is being put in the place of the state machine."""
        return self._installing is not None

    def installed(self, mark: SnapshotMark) -> None:
        """The state machine is durably what ``mark`` says."""
        if self._installing != mark:
            # A later one has come meanwhile.
            if self._installing is not None:
                self._install(self._installing)
            return
        self._installing = None
        self._applied_index, self._applied_term = mark.index, mark.term
        self._applied_sizes.clear()
        self._applied_bytes = 0
        writes, self._held_writes = self._held_writes, []
        for write in writes:
            self._write_now(write)
        self.reads.applied(mark.index)
        self.resume_applying()

    def snapshot_sent(self, to: MemberId, mark: SnapshotMark | None) -> None:
        """Sending a snapshot has ended; ``mark`` is None if it failed."""
        self._step(SnapshotSent(to, mark))

    def pin(self, to: MemberId, index: int) -> None:
        """Keep entries behind ``index`` for ``to``, within bounds, until ``unpin``."""
        self._pins[to] = index

    def unpin(self, to: MemberId) -> None:
        """They are not needed any more."""
        self._pins.pop(to, None)

    def mark_at(self, index: int) -> SnapshotMark | None:
        """Return the mark of a snapshot at ``index``; None if the log has forgotten it."""
        log = self._core.log
        return self._core.mark_at(index) if log.start <= index <= log.applied else None

    # The state machine.

    def _apply(self) -> None:
        """Apply what is committed, so much that others have their turn."""
        if not self._deliverable or self._full() or self._stopped or self._installing:
            return
        count = min(len(self._deliverable), self._options.apply_entries)
        entries = [self._deliverable.popleft() for _ in range(count)]
        self._committed(
            CommittedBatch(
                entries[0].index,
                [_command(entry) for entry in entries],
                [self._own(entry) for entry in entries],
            )
        )
        self._applied_index = entries[-1].index
        size = sum(len(entry.payload) for entry in entries)
        self._applied_sizes.append((self._applied_index, size))
        self._applied_bytes += size
        self._step(Applied(self._applied_index))
        self.reads.applied(self._applied_index)
        if self._deliverable:
            self._schedule_apply()

    def _own(self, entry: Entry) -> Proposal | None:
        if entry.term != self._applied_term:
            self._applied_term = entry.term
            self.proposals.term_began(entry.term)
        return self.proposals.committed(entry.proposal) if entry.proposal else None

    def _schedule_apply(self) -> None:
        if not self._apply_scheduled:
            self._apply_scheduled = True
            self._loop.call_soon(self._apply_more)

    def _apply_more(self) -> None:
        self._apply_scheduled = False
        try:
            self._apply()
        except Exception as error:  # noqa: BLE001 - As in ``_step``.
            self._stop(error)

    def resume_applying(self) -> None:
        """There is room again."""
        if self._deliverable:
            self._schedule_apply()

    def release(self, through: int) -> None:
        """Everything up to ``through`` is durable in the state machine: forget what is too much."""
        log = self._core.log
        kept = self._options.kept_entries
        target = min(through, max(log.applied - kept, self._beyond_kept_bytes()))
        if self._pins:
            target = min(target, max(min(self._pins.values()), log.applied - 10 * kept))
        # Rarely: each time costs a write.
        if self._stopped or self._installing or target < log.start + max(kept // 8, 1):
            return
        while self._applied_sizes and self._applied_sizes[0][0] <= target:
            self._applied_bytes -= self._applied_sizes.popleft()[1]
        mark = self._core.mark_at(target)
        member = self._core.member
        self._storage.compact(mark, HardState(member.term, member.vote))
        self._step(Compacted(target))

    def _beyond_kept_bytes(self) -> int:
        """Return the last index before the newest ``kept_bytes`` of applied entries."""
        size, last_index = self._applied_bytes, 0
        for index, added in self._applied_sizes:
            if size <= self._options.kept_bytes:
                break
            size -= added
            last_index = index
        return last_index

    # The end.

    def _stop(self, error: BaseException) -> None:
        if self._stopped:
            return
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self._failed(error)

    def fail_waiting(self, error: Exception) -> None:
        """Tell everybody who waits that nothing will come."""
        self.proposals.fail(error)
        self.reads.fail(error)
        self.group.fail(error)

    async def close(self) -> None:
        """Stop taking part; what is acknowledged is on disk."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        await self._storage.close()


def _command(entry: Entry) -> bytes:
    """Return what the state machine gets: nothing, if the entry is the protocol's own."""
    return entry.payload if entry.kind is EntryKind.COMMAND else b""
