"""Members of a group in one loop, on real files, with a network that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from random import Random

from podraft.server.raft.effects import SendSnapshot
from podraft.server.raft.entries import Membership, SnapshotMark
from podraft.server.raft.member import Role
from podraft.server.raft.messages import Message
from podraft.server.raft.options import RaftOptions
from podraft.server.replication.driver import DriverParts, MemberDriver
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.opening.member_recovery import recover_member
from podraft.server.replication.transport.message_encoding import Encoder, decode_message
from podraft.server.state.commands import encode_command
from podraft.server.state.datastore import Outcome, Transaction
from podraft.server.store.applied.applied_state import AppliedState
from podraft.server.store.log.seam import Proposal
from podraft.server.store.options import StoreOptions, wall_clock_ms

CLUSTER = bytes(range(16))
QUICK = MemberOptions(tick_s=0.01, raft=RaftOptions(election_ticks=10), answer_s=3.0)


class LocalMember:
    """A driver with its applied state, without the datastore around it."""

    def __init__(self, group: LocalGroup, identity: int) -> None:
        self.identity = identity
        self._group = group
        self.errors: list[BaseException] = []
        founders = Membership.of(group.identities)
        recovered = recover_member(
            group.directory / str(identity), CLUSTER, founders, group.store_options
        )
        self.driver = MemberDriver(
            identity,
            recovered.restored,
            DriverParts(
                recovered.storage, self._send, group.random, self._no_snapshot, self._no_install
            ),
            group.options,
            group.store_options,
        )
        self.state = AppliedState(
            recovered.applied, group.store_options, flushed=self._flushed, failed=self._failed
        )
        self._encoder = Encoder()
        self.driver.start(self.state.apply, self._failed, lambda: self.state.full)

    def _send(self, message: Message) -> bool:
        self._group.carry(self.identity, message.to, self._encoder.encode(message))
        return True

    def _no_snapshot(self, wanted: SendSnapshot) -> None:
        asyncio.get_running_loop().call_soon(self.driver.snapshot_sent, wanted.to, None)

    def _no_install(self, mark: SnapshotMark) -> None:
        raise AssertionError("nobody sends snapshots here")

    def _flushed(self) -> None:
        self.driver.release(self.state.stored_index)

    def _failed(self, error: BaseException) -> None:
        self.errors.append(error)

    async def transact(self, transaction: Transaction) -> Outcome:
        time_ms = wall_clock_ms()
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        payload = encode_command(transaction, time_ms)
        self.driver.propose((Proposal(transaction, time_ms, payload, future),))
        return await future

    async def close(self) -> None:
        self.state.begin_close()
        self.driver.fail_waiting(ConnectionError("closed"))
        self.state.end_watches()
        await self.driver.close()
        await self.state.close()
        assert not self.errors


class LocalGroup:
    """The members and the network between them."""

    def __init__(
        self,
        directory: Path,
        identities: Iterable[int] = (1, 2, 3),
        *,
        options: MemberOptions = QUICK,
        store_options: StoreOptions | None = None,
        seed: int = 1,
    ) -> None:
        print(f"seed {seed}")
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.identities = tuple(identities)
        self.options = options
        self.store_options = store_options or StoreOptions(history_flush_interval_s=0.01)
        self.random = Random(seed)
        self.members: dict[int, LocalMember] = {}
        self.cut: set[int] = set()
        self.loss = 0.0
        for identity in self.identities:
            self.start(identity)

    def start(self, identity: int) -> LocalMember:
        self.members[identity] = LocalMember(self, identity)
        return self.members[identity]

    async def stop(self, identity: int) -> None:
        await self.members.pop(identity).close()

    def carry(self, sender: int, to: int, data: bytes) -> None:
        if sender in self.cut or to in self.cut or self.random.random() < self.loss:
            return
        asyncio.get_running_loop().call_soon(self._deliver, to, data)

    def _deliver(self, to: int, data: bytes) -> None:
        if to in self.members and to not in self.cut:
            self.members[to].driver.receive(decode_message(data))

    @property
    def leader(self) -> int:
        """The leader of the latest term, or 0 if there is none."""
        leaders = [
            (member.driver.status.term, identity)
            for identity, member in self.members.items()
            if member.driver.status.role is Role.LEADER and identity not in self.cut
        ]
        return max(leaders)[1] if leaders else 0

    async def close(self) -> None:
        for identity in list(self.members):
            await self.stop(identity)
