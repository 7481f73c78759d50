"""Marks in the log at which members compare their states.

Owns: the decision when the leader makes a mark: if something was written since the last one, or a
member lacks that.
"""

from __future__ import annotations

import asyncio
import contextlib

from podraft.server.raft.member import Role
from podraft.server.replication.comparison import Comparison
from podraft.server.replication.driver import MemberDriver
from podraft.server.replication.transport.member_transport import MemberTransport
from podraft.server.state.commands import encode_command
from podraft.server.state.datastore import StoreFailedError, StoreOverloadedError, Transaction
from podraft.server.store.applied.applied_state import AppliedState
from podraft.server.store.log.seam import Proposal
from podraft.server.store.options import StoreOptions


class StateMarking:
    """The leader's marking of the log; lives on the loop."""

    def __init__(
        self,
        comparison: Comparison,
        driver: MemberDriver,
        state: AppliedState,
        transport: MemberTransport,
        options: StoreOptions,
    ) -> None:
        self._comparison = comparison
        self._driver = driver
        self._state = state
        self._transport = transport
        self._options = options

    async def keep_marking(self, period_s: float) -> None:
        """Have the members compare their states every ``period_s``, while this one leads."""
        while True:
            await asyncio.sleep(period_s)
            marks = self._comparison.marks
            unmarked = not marks or marks[-1].revision != self._state.revision
            unmarked |= bool(self._comparison.lacking.intersection(self._transport.connected))
            if unmarked and self._driver.status.role is Role.LEADER and self._driver.ready:
                with contextlib.suppress(StoreFailedError, StoreOverloadedError):
                    await self.mark_state()

    async def mark_state(self) -> None:
        """Propose an entry that writes nothing, at which the members compare their states.

        Raises:
            NoLeaderError, OutcomeUnknownError: As in ``transact``.
        """
        self._state.check_serving()
        time_ms = self._options.now_ms()
        nothing = Transaction((), ())
        payload = encode_command(nothing, time_ms)
        proposal = Proposal(nothing, time_ms, payload, asyncio.get_running_loop().create_future())
        self._driver.propose((proposal,))
        await proposal.outcome
