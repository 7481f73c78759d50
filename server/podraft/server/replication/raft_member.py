"""One member of a group: everything that lives in its process, from opening to closing.

Owns: the composition of driver, transport, applied state, snapshots, the knowledge of the group and
the comparison with the others; how the member fails, is dismissed, hands over and leaves.

Invariant: anything that stops the member stops all of it, and every waiting call learns why.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, Final

from podraft.server.raft.effects import SendSnapshot
from podraft.server.raft.entries import MemberId, SnapshotMark
from podraft.server.raft.member import Role
from podraft.server.raft.status import Status
from podraft.server.replication.comparison import Comparison, StateDivergedError
from podraft.server.replication.driver import DriverParts, MemberDriver
from podraft.server.replication.faults import (
    MemberDismissedError,
)
from podraft.server.replication.membership.administration import Administration
from podraft.server.replication.membership.group import GroupView
from podraft.server.replication.membership.group_knowledge import GroupKnowledge
from podraft.server.replication.opening.member_config import MemberConfig
from podraft.server.replication.opening.member_recovery import RecoveredMember, recover_member
from podraft.server.replication.snapshots.snapshot_transfers import SnapshotTransfers
from podraft.server.replication.state_marking import StateMarking
from podraft.server.replication.transport.member_transport import MemberTransport
from podraft.server.replication.transport.probing import ProbedPeer, Probing
from podraft.server.state.datastore import (
    StoreFailedError,
)
from podraft.server.store.applied.applied_state import AppliedState
from podraft.server.store.log.seam import CommittedBatch
from podraft.server.store.measurements import (
    GroupMeasurements,
    PeerMeasurements,
    StoreMeasurements,
    measure_store,
)
from podraft.server.store.sealing.resealing import Resealing

_HAND_OVER_S: Final = 0.5
# A member with this many entries left to apply should get no clients yet.
_READY_BEHIND_MAX: Final = 5_000
# The time in which a dismissed member can still send and answer messages.
_LAST_WORDS_S: Final = 1.0


class RaftMember:
    """A member of a group.  Made by ``open``; belongs to the loop that opened it."""

    def __init__(
        self, config: MemberConfig, recovered: RecoveredMember, transport: MemberTransport
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.options = config.store_options
        self._member_options = config.options
        self._wal = recovered.applied.wal
        self.cluster_id = config.cluster_id
        self._failure: asyncio.Future[StoreFailedError] = self._loop.create_future()
        self._transport = transport
        self.driver = MemberDriver(
            config.me.id,
            recovered.restored,
            DriverParts(
                recovered.storage,
                transport.send,
                random.SystemRandom(),
                self._send_snapshot,
                self._install,
            ),
            config.options,
            config.store_options,
        )
        self.driver.name_of = transport.name_of
        self.state = AppliedState(
            recovered.applied,
            config.store_options,
            flushed=self._history_flushed,
            failed=self._fail,
            compared=lambda mark: self._comparison.marked(mark),
        )
        self._comparison = Comparison(
            config.me.id,
            lambda: self.driver.membership.voters,
            transport.name_of,
            self._state_diverged,
        )
        self.probing = Probing(
            transport,
            config.options.probe_s,
            lambda: self._comparison.marks,
            self._comparison.told,
        )
        self._resealing = Resealing(
            recovered.applied.ring,
            config.directory,
            self.state,
            recovered.applied.wal,
            recovered.storage,
        )
        self._snapshots = SnapshotTransfers(
            config.directory / "snapshots",
            self.state.copy_to,
            self.driver,
            transport,
            recovered.applied.ring,
        )
        self.group = GroupKnowledge(
            config.me, config.founders, config.addresses, transport, self._dismiss
        )
        self.administration = Administration(config.me, self.group, self.driver, transport)
        self._tasks: set[asyncio.Task[None]] = set()
        marking = StateMarking(self._comparison, self.driver, self.state, transport, self.options)
        self._spawn(marking.keep_marking(config.options.compare_s))

    @classmethod
    async def open(cls, config: MemberConfig) -> RaftMember:
        """Recover the member's state and take part in its group.

        It can serve as soon as the group has a leader.

        Raises:
            StoreOpenError: The data directory is in use, damaged or another cluster's.
            TransportError: The address for other members cannot be used.
        """
        recovered = await asyncio.to_thread(
            recover_member,
            config.directory,
            config.cluster_id,
            config.founded,
            config.store_options,
        )
        transport = MemberTransport(
            config.me, config.cluster_id, config.credentials, config.options
        )
        member = cls(config, recovered, transport)
        try:
            transport.link_lost = member.driver.link_lost
            await transport.start(config.listen, member.driver.receive, member._snapshots.receive)
        except BaseException:
            await transport.close()
            await member.state.close()
            raise
        member.driver.start(member._committed, member._fail, lambda: member.state.full)
        member.driver.follow(member.group.follow)
        return member

    @property
    def status(self) -> Status:
        """This member's view of its group."""
        return self.driver.status

    def measurements(self) -> StoreMeasurements:
        """Return the member's current counts and measurements."""
        driver, status = self.driver, self.driver.status
        group = GroupMeasurements(
            name=self._transport.me.name,
            status=status,
            leader_name=self._transport.name_of(status.leader) if status.leader else "",
            leader_changes=driver.counts.leader_changes,
            read_rounds=driver.counts.read_rounds,
            proposals_failed=driver.counts.failed,
            snapshots=self._snapshots.counts,
            peers=tuple(self._peer(probed, status) for probed in self.probing.peers.values()),
            heartbeat_s=self._member_options.heartbeat_s,
            election_s=self._member_options.election_s,
            compared_index=self._comparison.equal_index,
            split=self._comparison.split,
        )
        return measure_store(self._wal, driver.waiting, group)

    def _peer(self, probed: ProbedPeer, status: Status) -> PeerMeasurements:
        member = probed.peer.id
        match = status.matches.get(member)
        return PeerMeasurements(
            probed.peer.name,
            member in self._transport.connected,
            self._transport.dropped(member),
            probed.round_trips,
            probed.failed,
            probed.clock_offset_s,
            max(0, status.last_index - match) if match is not None else None,
        )

    @property
    def name(self) -> str:
        """This member's name in the group."""
        return self._transport.me.name

    @property
    def certificate(self) -> bytes:
        """The certificate, in PEM, that this member shows to the others."""
        return self._transport.certificate

    def use_certificate(self, certificate: bytes, key: bytes) -> None:
        """Show this certificate to the other members from the next connection on."""
        self._transport.use(certificate, key)

    def tell_disk(self, *, slow: bool) -> None:
        """Tell the other members whether this one's disk is slow."""
        self.probing.disk_slow = slow

    def _heirs(self) -> list[MemberId]:
        connected = self._transport.connected
        return [
            member
            for member, probed in self.probing.peers.items()
            if member in connected and probed.answered and not probed.disk_slow
        ]

    async def hand_over(self) -> bool:
        """Make a member with a healthy disk lead, if this one leads; return whether it does now."""
        if self.status.role is not Role.LEADER:
            return False
        await self.driver.hand_over(self._heirs(), _HAND_OVER_S)
        return self.status.role is not Role.LEADER

    def unready(self) -> str:
        """Return why this member should get no calls now; empty if it should get them."""
        status = self.driver.status
        if self.state.error is not None:
            return str(self.state.error)
        if self.state.closing:
            return "the server is stopping"
        if not status.leader:
            return "no leader is known: are a majority of the members up and connected?"
        behind = status.commit - status.applied
        if behind > _READY_BEHIND_MAX or self.driver.installing:
            return f"it is {behind} entries behind what is committed"
        return ""

    def look(self) -> GroupView:
        """Return this member's view of the group, without asking the others."""
        return self.group.view(self.driver.status)

    def announce(self, api_addresses: tuple[str, ...]) -> None:
        """Tell the others this member's address, and the addresses of its API for clients."""
        self._spawn(self.administration.keep_described(api_addresses))

    async def failed(self) -> StoreFailedError:
        """Return, once the store has stopped, the error that stopped it: the process must exit.

        The wait is cancelled when the store closes.
        """
        return await asyncio.shield(self._failure)

    def _dismiss(self, why: str) -> None:
        """Leave for good, once the others have been told what they need."""
        if self.state.error is None and not self.state.closing:
            error = MemberDismissedError(why)
            self._loop.call_later(_LAST_WORDS_S, self._leave, error)

    def _leave(self, error: MemberDismissedError) -> None:
        if self.state.error is None and not self.state.closing:
            # A mere restart must not bring it back.
            self.state.condemn(str(error))
            self._fail(error)

    def _state_diverged(self, error: StateDivergedError) -> None:
        # A mere restart must not make it serve again.
        self.state.condemn(str(error))
        self._fail(error)

    def _committed(self, batch: CommittedBatch) -> None:
        if self.state.error is None:
            self.state.apply(batch)

    def _history_flushed(self) -> None:
        self.driver.release(self.state.stored_index)

    # Snapshots.

    def _send_snapshot(self, wanted: SendSnapshot) -> None:
        self._spawn(self._snapshots.send(wanted.to, wanted.term))

    def _install(self, mark: SnapshotMark) -> None:
        self._spawn(self._replace_state(mark))

    async def _replace_state(self, mark: SnapshotMark) -> None:
        try:
            await self.state.replace_by(self._snapshots.received(mark))
            self.driver.installed(mark)
        except Exception as error:  # noqa: BLE001 - The core relies on it: the member must stop.
            self._fail(error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # The end.

    def _fail(self, cause: BaseException) -> None:
        """Stop: the true state is unknown until a new process has recovered it from disk."""
        if self.state.error is not None:
            return
        error = StoreFailedError(f"the store stopped: {cause}")
        if isinstance(cause, MemberDismissedError):
            error = cause
        if not self._failure.done():
            self._failure.set_result(error)
        self.state.fail(error)
        self.driver.fail_waiting(error)
        # The others must no longer rely on this member.
        self._transport.set_peers(())

    async def close(self) -> None:
        """Leave the group, which goes on without this member; closing twice is fine."""
        if self.state.closing:
            return
        self.state.begin_close()
        self.probing.stop()
        await self.driver.hand_over(self._transport.connected, _HAND_OVER_S)
        self.driver.fail_waiting(StoreFailedError("the store is closed"))
        self.state.end_watches()
        await self._transport.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._resealing.stop()
        await self.driver.close()
        await self.state.close()
        if not self._failure.done():
            self._failure.cancel()
