"""The store of a group of members: the ``Datastore`` that survives the loss of a minority.

Owns: the composition of one member: its driver, its transport, its applied state.

    transact -> driver -> (leader) -> on a majority's disks -> applied here -> outcome
    get, range -> read barrier: the leader proves how far the log was committed -> applied here

Invariants: reads are linearizable on every member.  An outcome comes from the transaction's own
entry, applied on the member that proposed it; whether it happened is never guessed.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
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
from podraft.server.replication.transport.member_transport import MemberTransport
from podraft.server.replication.transport.probing import ProbedPeer, Probing
from podraft.server.state.commands import check_transaction, encode_command
from podraft.server.state.datastore import (
    Committed,
    EventBatch,
    Outcome,
    Page,
    Record,
    Repeated,
    StoreFailedError,
    StoreOverloadedError,
    Transaction,
    TransactionTooLargeError,
)
from podraft.server.store.applied.applied_state import AppliedState
from podraft.server.store.history.history_past import HistoryPast
from podraft.server.store.log.seam import CommittedBatch, Proposal
from podraft.server.store.measurements import (
    GroupMeasurements,
    PeerMeasurements,
    StoreMeasurements,
    measure_store,
)
from podraft.server.store.sealing.resealing import Resealing

_HAND_OVER_S: Final = 0.5
# A member that has so much to apply yet is better left alone by clients.
_READY_BEHIND_MAX: Final = 5_000
# What a member that must leave still has to say, or to answer.
_LAST_WORDS_S: Final = 1.0


class AppliedReader:
    """Reads what this member has applied, without asking the leader again."""

    def __init__(self, state: AppliedState) -> None:
        self._state = state

    async def get(self, key: bytes) -> Record | None:
        """Return the newest applied record of ``key``."""
        self._state.check_serving()
        return self._state.get(key)

    async def range(
        self, prefix: bytes, *, start_after: bytes = b"", limit: int = 0, revision: int = 0
    ) -> Page:
        """Return the applied records below ``prefix``."""
        self._state.check_serving()
        return await self._state.range(
            prefix, start_after=start_after, limit=limit, revision=revision
        )


class RaftDatastore:
    """A ``Datastore`` of several members.  Made by ``open``; belongs to the loop that opened it."""

    def __init__(
        self, config: MemberConfig, recovered: RecoveredMember, transport: MemberTransport
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._options = config.store_options
        self._member_options = config.options
        self._wal = recovered.applied.wal
        self.cluster_id = config.cluster_id
        self._failure: asyncio.Future[StoreFailedError] = self._loop.create_future()
        self._transport = transport
        self._driver = MemberDriver(
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
        self._driver.name_of = transport.name_of
        self._state = AppliedState(
            recovered.applied,
            config.store_options,
            flushed=self._history_flushed,
            failed=self._fail,
            compared=lambda mark: self._comparison.marked(mark),
        )
        self._comparison = Comparison(
            config.me.id,
            lambda: self._driver.membership.voters,
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
            self._state,
            recovered.applied.wal,
            recovered.storage,
        )
        self._snapshots = SnapshotTransfers(
            config.directory / "snapshots",
            self._state.copy_to,
            self._driver,
            transport,
            recovered.applied.ring,
        )
        self.group = GroupKnowledge(
            config.me, config.founders, config.addresses, transport, self._dismiss
        )
        self.administration = Administration(config.me, self.group, self._driver, transport)
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn(self._keep_marking(config.options.compare_s))
        # Reads of what this member has applied: perhaps not the newest.
        self.applied = AppliedReader(self._state)

    @classmethod
    async def open(cls, config: MemberConfig) -> RaftDatastore:
        """Recover the member's state and take part in its group.

        It serves as soon as the group has a leader; see ``caught_up``.

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
        store = cls(config, recovered, transport)
        try:
            transport.link_lost = store._driver.link_lost
            await transport.start(config.listen, store._driver.receive, store._snapshots.receive)
        except BaseException:
            await transport.close()
            await store._state.close()
            raise
        store._driver.start(store._committed, store._fail, lambda: store._state.full)
        store._driver.follow(store.group.follow)
        return store

    @property
    def revision(self) -> int:
        """The last revision that was applied here."""
        return self._state.revision

    @property
    def past(self) -> HistoryPast:
        """What was, and who made it so, as far as this member has applied it."""
        return self._state.past

    @property
    def status(self) -> Status:
        """How this member sees its group."""
        return self._driver.status

    def measurements(self) -> StoreMeasurements:
        """Return what is counted and measured here, as of now."""
        driver, options = self._driver, self._member_options
        status = driver.status
        group = GroupMeasurements(
            name=self._transport.me.name,
            status=status,
            leader_name=self._transport.name_of(status.leader) if status.leader else "",
            leader_changes=driver.counts.leader_changes,
            read_rounds=driver.counts.read_rounds,
            proposals_failed=driver.counts.failed,
            snapshots=self._snapshots.counts,
            peers=tuple(self._peer(probed, status) for probed in self.probing.peers.values()),
            heartbeat_s=options.heartbeat_s,
            election_s=options.election_s,
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
        """What this member shows to the others, PEM."""
        return self._transport.certificate

    def use_certificate(self, certificate: bytes, key: bytes) -> None:
        """Show this certificate to the other members from the next connection on."""
        self._transport.use(certificate, key)

    def tell_disk(self, *, slow: bool) -> None:
        """Let the other members know how this one's disk is."""
        self.probing.disk_slow = slow

    def _heirs(self) -> list[MemberId]:
        connected = self._transport.connected
        return [
            member
            for member, probed in self.probing.peers.items()
            if member in connected and probed.answered and not probed.disk_slow
        ]

    async def hand_over(self) -> bool:
        """Let a member lead whose disk is well, if this one leads and there is one."""
        if self.status.role is not Role.LEADER:
            return False
        await self._driver.hand_over(self._heirs(), _HAND_OVER_S)
        return self.status.role is not Role.LEADER

    def unready(self) -> str:
        """Return why this member should get no calls now; empty: it should."""
        status = self._driver.status
        if self._state.error is not None:
            return str(self._state.error)
        if self._state.closing:
            return "the server is stopping"
        if not status.leader:
            return "no leader is known: are a majority of the members up and connected?"
        behind = status.commit - status.applied
        if behind > _READY_BEHIND_MAX or self._driver.installing:
            return f"it is {behind} entries behind what is committed"
        return ""

    def look(self) -> GroupView:
        """Return what this member knows of the group, without asking the others."""
        return self.group.view(self._driver.status)

    def announce(self, api_addresses: tuple[str, ...]) -> None:
        """Let the others know where this member is, and that clients find its API there."""
        self._spawn(self.administration.keep_described(api_addresses))

    async def failed(self) -> StoreFailedError:
        """Return the error that stopped the store, when that happens: the process must exit.

        Cancelled when the store closes.
        """
        return await asyncio.shield(self._failure)

    async def caught_up(self) -> None:
        """Return when this member knows everything that was committed when this was called.

        Raises:
            NoLeaderError: There was no leader for too long.
            StoreFailedError: The store stopped.
        """
        self._state.check_serving()
        await self._driver.caught_up()
        self._state.check_serving()

    # Reading.

    async def current(self) -> AppliedReader:
        """Return reads that share one proof: each sees at least what was committed at this call."""
        await self.caught_up()
        return self.applied

    async def get(self, key: bytes) -> Record | None:
        """Return the newest record of ``key``."""
        await self.caught_up()
        return self._state.get(key)

    async def range(
        self, prefix: bytes, *, start_after: bytes = b"", limit: int = 0, revision: int = 0
    ) -> Page:
        """Return the records below ``prefix``; a past revision that is here needs no leader."""
        if not 0 < revision <= self.revision:
            await self.caught_up()
        self._state.check_serving()
        return await self._state.range(
            prefix, start_after=start_after, limit=limit, revision=revision
        )

    async def requested(self, request: bytes) -> Repeated | None:
        """Return how a transaction of ``request`` took effect; None: that is not known."""
        self._state.check_serving()
        return self._state.requested(request)

    async def watch(self, prefix: bytes, start_revision: int) -> AsyncIterator[EventBatch]:
        """Yield what changed after ``start_revision``, then what changes."""
        if start_revision > self.revision:
            # Another member may have said it.
            await self.caught_up()
        watch = self._state.watch(prefix, start_revision)
        async with aclosing(watch) as batches:  # type: ignore[type-var]  # A generator in fact.
            async for batch in batches:
                yield batch

    async def compact(self, revision: int) -> None:
        """Forget, on this member, what only reads below ``revision`` can see."""
        if revision > self.revision:
            await self.caught_up()
        await self._state.compact(revision)

    # Writing.

    async def transact(self, transaction: Transaction) -> Outcome:
        """Propose ``transaction``, wherever the leader is, and return its outcome.

        Raises:
            OutcomeUnknownError: The leader was lost: it may have taken effect, or may yet.
            NoLeaderError: There was none in time; nothing was proposed.
        """
        self._state.check_serving()
        check_transaction(transaction)
        if not transaction.writes:
            await self.caught_up()
            return self._state.unmet(transaction.guards) or Committed(self.revision)
        options = self._options
        time_ms = options.now_ms()
        payload = encode_command(transaction, time_ms)
        if len(payload) > options.transaction_bytes:
            raise TransactionTooLargeError(
                f"the transaction has {len(payload)} bytes, "
                f"at most {options.transaction_bytes} are allowed"
            )
        if not self._driver.ready:
            raise StoreOverloadedError("too many transactions wait already")
        proposal = Proposal(transaction, time_ms, payload, self._loop.create_future())
        self._driver.propose((proposal,))
        return await proposal.outcome

    # Comparing.

    async def _keep_marking(self, period_s: float) -> None:
        """Let the members compare their states, if this one leads and something was written."""
        while True:
            await asyncio.sleep(period_s)
            marks = self._comparison.marks
            unmarked = not marks or marks[-1].revision != self.revision
            unmarked |= bool(self._comparison.lacking.intersection(self._transport.connected))
            if unmarked and self.status.role is Role.LEADER and self._driver.ready:
                with contextlib.suppress(StoreFailedError, StoreOverloadedError):
                    await self.mark_state()

    async def mark_state(self) -> None:
        """Propose an entry that writes nothing: where it stands, members compare their states.

        Raises:
            NoLeaderError, OutcomeUnknownError: As in ``transact``.
        """
        self._state.check_serving()
        time_ms = self._options.now_ms()
        nothing = Transaction((), ())
        payload = encode_command(nothing, time_ms)
        proposal = Proposal(nothing, time_ms, payload, self._loop.create_future())
        self._driver.propose((proposal,))
        await proposal.outcome

    def _dismiss(self, why: str) -> None:
        """Leave for good, when the others have been told what they need."""
        if self._state.error is None and not self._state.closing:
            error = MemberDismissedError(why)
            self._loop.call_later(_LAST_WORDS_S, self._leave, error)

    def _leave(self, error: MemberDismissedError) -> None:
        if self._state.error is None and not self._state.closing:
            # A restart alone must not make it come back.
            self._state.condemn(str(error))
            self._fail(error)

    def _state_diverged(self, error: StateDivergedError) -> None:
        # A restart alone must not make it serve again.
        self._state.condemn(str(error))
        self._fail(error)

    def _committed(self, batch: CommittedBatch) -> None:
        if self._state.error is None:
            self._state.apply(batch)

    def _history_flushed(self) -> None:
        self._driver.release(self._state.stored_index)

    # Snapshots.

    def _send_snapshot(self, wanted: SendSnapshot) -> None:
        self._spawn(self._snapshots.send(wanted.to, wanted.term))

    def _install(self, mark: SnapshotMark) -> None:
        self._spawn(self._replace_state(mark))

    async def _replace_state(self, mark: SnapshotMark) -> None:
        try:
            await self._state.replace_by(self._snapshots.received(mark))
            self._driver.installed(mark)
        except Exception as error:  # noqa: BLE001 - The core relies on it: the member must stop.
            self._fail(error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # The end.

    def _fail(self, cause: BaseException) -> None:
        """Stop: what is true is unknown until the process has recovered from its disk."""
        if self._state.error is not None:
            return
        error = StoreFailedError(f"the store stopped: {cause}")
        if isinstance(cause, MemberDismissedError):
            error = cause
        if not self._failure.done():
            self._failure.set_result(error)
        self._state.fail(error)
        self._driver.fail_waiting(error)
        # The others must not rely on it any more.
        self._transport.set_peers(())

    async def close(self) -> None:
        """Leave the group, which goes on without this member; closing twice is fine."""
        if self._state.closing:
            return
        self._state.begin_close()
        self.probing.stop()
        await self._driver.hand_over(self._transport.connected, _HAND_OVER_S)
        self._driver.fail_waiting(StoreFailedError("the store is closed"))
        self._state.end_watches()
        await self._transport.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._resealing.stop()
        await self._driver.close()
        await self._state.close()
        if not self._failure.done():
            self._failure.cancel()
