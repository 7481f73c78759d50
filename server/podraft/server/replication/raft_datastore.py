"""The store of a group of members: the ``Datastore`` that survives the loss of a minority.

Owns: the path of reads and writes through one member.

    transact -> driver -> (leader) -> on a majority's disks -> applied here -> outcome
    get, range -> read barrier: the leader proves how far the log was committed -> applied here

Invariants: reads are linearizable on every member.  An outcome comes from the transaction's own
entry, applied on the member that proposed it; whether it happened is never guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from podraft.server.replication.opening.member_config import MemberConfig
from podraft.server.replication.raft_member import RaftMember
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
from podraft.server.store.log.seam import Proposal


class AppliedReader:
    """Reads of this member's applied state, without asking the leader again."""

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
    """A ``Datastore`` of several members.  Made by ``open``; belongs to the loop that opened it.

    ``member`` is this server's part in the group.
    """

    def __init__(self, member: RaftMember) -> None:
        self.member = member
        self.cluster_id = member.cluster_id
        self._state = member.state
        self._driver = member.driver
        self._options = member.options
        # Reads of this member's applied state, which is perhaps not the newest.
        self.applied = AppliedReader(self._state)

    @classmethod
    async def open(cls, config: MemberConfig) -> RaftDatastore:
        """Recover the member's state and take part in its group.

        It serves as soon as the group has a leader; see ``caught_up``.

        Raises:
            StoreOpenError: The data directory is in use, damaged or another cluster's.
            TransportError: The address for other members cannot be used.
        """
        return cls(await RaftMember.open(config))

    @property
    def revision(self) -> int:
        """The last revision that was applied here."""
        return self._state.revision

    @property
    def past(self) -> HistoryPast:
        """The store's past as far as this member has applied it."""
        return self._state.past

    async def caught_up(self) -> None:
        """Wait until this member has applied everything that was committed before the call.

        Raises:
            NoLeaderError: There was no leader for too long.
            StoreFailedError: The store stopped.
        """
        self._state.check_serving()
        await self._driver.caught_up()
        self._state.check_serving()

    # Reading.

    async def current(self) -> AppliedReader:
        """Return reads that share one proof and see at least everything committed by this call."""
        await self.caught_up()
        return self.applied

    async def get(self, key: bytes) -> Record | None:
        """Return the newest record of ``key``."""
        await self.caught_up()
        return self._state.get(key)

    async def range(
        self, prefix: bytes, *, start_after: bytes = b"", limit: int = 0, revision: int = 0
    ) -> Page:
        """Return the records below ``prefix``; reading a past revision here needs no leader."""
        if not 0 < revision <= self.revision:
            await self.caught_up()
        self._state.check_serving()
        return await self._state.range(
            prefix, start_after=start_after, limit=limit, revision=revision
        )

    async def requested(self, request: bytes) -> Repeated | None:
        """Return how a transaction of ``request`` took effect; None if that is not known."""
        self._state.check_serving()
        return self._state.requested(request)

    async def watch(self, prefix: bytes, start_revision: int) -> AsyncIterator[EventBatch]:
        """Yield the changes after ``start_revision``, then live ones."""
        if start_revision > self.revision:
            # Another member may have told the caller that revision.
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
            OutcomeUnknownError: The leader was lost: the transaction may take effect, or have done.
            NoLeaderError: No leader was found in time; nothing was proposed.
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
        proposal = Proposal(
            transaction, time_ms, payload, asyncio.get_running_loop().create_future()
        )
        self._driver.propose((proposal,))
        return await proposal.outcome

    async def failed(self) -> StoreFailedError:
        """Return, once the member has stopped, the error that stopped it."""
        return await self.member.failed()

    async def close(self) -> None:
        """Leave the group, which goes on without this member; closing twice is fine."""
        await self.member.close()
