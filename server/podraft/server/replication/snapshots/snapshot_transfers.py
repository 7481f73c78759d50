"""Snapshots on the wire: from this member to those too far behind, from the leader to this one.

Owns: the transfers under way: one to each member, one from the leader.

Invariant: however a transfer ends, the core is told; it asks again if it must.  A received snapshot
is passed to the core only when it is whole, checked and durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import grpc

from podraft.internal.raft.v1 import members_pb2
from podraft.server.encryption.key_ring import KeyRing
from podraft.server.raft.entries import MemberId, SnapshotMark
from podraft.server.raft.messages import InstallSnapshot
from podraft.server.replication.driver import MemberDriver
from podraft.server.replication.faults import SnapshotError
from podraft.server.replication.snapshots.snapshot_files import (
    IncomingSnapshot,
    OutgoingSnapshots,
    Snapshot,
    announced_keys,
    chunks,
    clean,
    ready_path,
)
from podraft.server.replication.transport.member_transport import MemberTransport
from podraft.server.replication.transport.message_encoding import decode_message
from podraft.server.store.measurements import SnapshotCounts

_LOG = logging.getLogger(__name__)

# The receiver installs the snapshot before it needs the entries that follow.
_KEEP_AFTER_S: Final = 10.0
# A transfer without any progress for this long is given up.
_STALLED_S: Final = 20.0


class SnapshotTransfers:
    """The transfers of one member; on the loop."""

    def __init__(
        self,
        directory: Path,
        copy: Callable[[Path], Awaitable[None]],
        driver: MemberDriver,
        transport: MemberTransport,
        ring: KeyRing,
    ) -> None:
        clean(directory)
        self._directory = directory
        self._ring = ring
        self._driver = driver
        self._transport = transport
        self._outgoing = OutgoingSnapshots(directory, copy, driver.mark_at, ring)
        self._sending: set[MemberId] = set()
        self._receiving = asyncio.Lock()
        self.counts = SnapshotCounts()
        self._forgetting: asyncio.Task[None] | None = None

    # Sending.

    async def send(self, to: MemberId, term: int) -> None:
        """Send ``to`` a snapshot, and tell the driver how that ended."""
        if to in self._sending:
            return
        self._sending.add(to)
        mark: SnapshotMark | None = None
        try:
            mark = await self._send(to, term)
            self.counts.sent += mark is not None
        except (SnapshotError, OSError, TimeoutError, grpc.aio.AioRpcError) as error:
            detail = error.details() if isinstance(error, grpc.aio.AioRpcError) else error
            self.counts.failed += 1
            _LOG.warning("a snapshot for member %d was not sent: %s", to, detail)
        finally:
            self._sending.discard(to)
            loop = asyncio.get_running_loop()
            loop.call_later(_KEEP_AFTER_S, self._unpin, to)
            # At the earliest in the next turn: the core may just be asking.
            loop.call_soon(self._driver.snapshot_sent, to, mark)

    def _unpin(self, to: MemberId) -> None:
        if to not in self._sending:
            self._driver.unpin(to)
        if not self._sending and (self._forgetting is None or self._forgetting.done()):
            self._forgetting = asyncio.get_running_loop().create_task(self._forget())

    async def _forget(self) -> None:
        try:
            await self._outgoing.forget()
        except OSError as error:
            _LOG.warning("an old snapshot was not removed: %s", error)

    async def _send(self, to: MemberId, term: int) -> SnapshotMark | None:
        async with self._outgoing.newest() as snapshot:
            return await self._send_this(snapshot, to, term)

    async def _send_this(self, snapshot: Snapshot, to: MemberId, term: int) -> SnapshotMark | None:
        self._driver.pin(to, snapshot.mark.index)
        begun = self._transport.snapshot_call(to)
        if begun is None:
            return None
        call, hello = begun
        message = InstallSnapshot(self._transport.me.id, to, term, snapshot.mark)
        announcement = members_pb2.SnapshotAnnouncement(
            digest=snapshot.digest,
            size=snapshot.size,
            message=self._transport.encode(message),
            keys=[members_pb2.DataKey(id=key.id, secret=key.secret) for key in snapshot.keys],
        )
        try:
            await self._transfer(call, hello, announcement, snapshot)
        finally:
            call.cancel()
        _LOG.info("member %d has the snapshot of index %d", to, snapshot.mark.index)
        return snapshot.mark

    async def _transfer(
        self,
        call: Any,
        hello: members_pb2.MemberHello,
        announcement: members_pb2.SnapshotAnnouncement,
        snapshot: Snapshot,
    ) -> None:
        async with asyncio.timeout(_STALLED_S) as stalled:
            await call.write(
                members_pb2.SendSnapshotRequest(hello=hello, announcement=announcement)
            )
            answer = await self._answer(call)
            async for request in chunks(snapshot, answer.offset):
                stalled.reschedule(asyncio.get_running_loop().time() + _STALLED_S)
                await call.write(request)
            await call.done_writing()
            answer = await self._answer(call)
        if not answer.complete:
            raise SnapshotError(f"only {answer.offset} of {snapshot.size} bytes arrived")

    async def _answer(self, call: Any) -> members_pb2.SendSnapshotResponse:
        answer = await call.read()
        if answer is grpc.aio.EOF:
            # The call's status says why.
            await call.code()
            raise SnapshotError(await call.details() or "the receiver ended the transfer")
        assert isinstance(answer, members_pb2.SendSnapshotResponse)
        return answer

    # Receiving.

    async def receive(
        self,
        first: members_pb2.SendSnapshotRequest,
        requests: AsyncIterator[members_pb2.SendSnapshotRequest],
    ) -> AsyncIterator[members_pb2.SendSnapshotResponse]:
        """Receive a snapshot; one at a time."""
        announced = first.announcement
        message = decode_message(announced.message)
        me = self._transport.me.id
        if (
            not isinstance(message, InstallSnapshot)
            or message.sender != first.hello.member_id
            or message.to != me
        ):
            raise SnapshotError("the announcement of a snapshot is none")
        if self._receiving.locked() or self._driver.installing:
            raise SnapshotError("another snapshot is being received")
        keys = announced_keys(announced)
        async with self._receiving:
            incoming = IncomingSnapshot(
                self._directory, announced.digest, announced.size, keys, self._ring
            )
            try:
                yield members_pb2.SendSnapshotResponse(offset=incoming.offset)
                async for request in requests:
                    await incoming.add(request.data, request.checksum)
                if incoming.whole:
                    await incoming.finish(message.mark, ready_path(self._directory, message.mark))
                    self.counts.received += 1
                    self._driver.receive(message)
                yield members_pb2.SendSnapshotResponse(
                    offset=incoming.offset, complete=incoming.whole
                )
            finally:
                incoming.close()

    def received(self, mark: SnapshotMark) -> Path:
        """Return the file of the snapshot at ``mark``, which the core has accepted."""
        return ready_path(self._directory, mark)
