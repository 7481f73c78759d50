"""Measuring the connections to the other members, and their clocks.

Owns: a probe of each other member every other second: how long its answer takes, its clock, and its
state at the last marks.

Invariant: a probe is a call of its own, bounded in time; nothing waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import grpc

from podraft.internal.raft.v1 import members_pb2
from podraft.server.raft.entries import MemberId
from podraft.server.replication.core.roster import Peer
from podraft.server.replication.transport.introductions import DISMISSED
from podraft.server.replication.transport.member_transport import MemberTransport
from podraft.server.state.digests import StateMark
from podraft.server.store.latencies import Latencies

_SAMPLES = 30
_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class _Sample:
    round_trip_s: float
    clock_offset_s: float


@dataclass(slots=True)
class ProbedPeer:
    """The measurements of the connection to one member."""

    peer: Peer
    # Over ten minutes, as a probe every other second says little about a 99th percentile.
    round_trips: Latencies = field(default_factory=lambda: Latencies(window_s=100.0))
    failed: int = 0
    answered: bool = False
    disk_slow: bool = False
    _samples: deque[_Sample] = field(default_factory=lambda: deque(maxlen=_SAMPLES))

    def add(self, round_trip_s: float, clock_offset_s: float) -> None:
        """Add the measurements of one more answer."""
        self.answered = True
        self.round_trips.observe(round_trip_s)
        self._samples.append(_Sample(round_trip_s, clock_offset_s))

    @property
    def clock_offset_s(self) -> float | None:
        """How many seconds its clock is ahead of ours, by the fastest answer of the last minute."""
        if not self._samples:
            return None
        return min(self._samples, key=lambda sample: sample.round_trip_s).clock_offset_s


class Probing:
    """The probes of all other members, on the loop; ``told`` gets their reports of their states."""

    def __init__(
        self,
        transport: MemberTransport,
        period_s: float,
        marks: Callable[[], Sequence[StateMark]],
        told: Callable[[MemberId, Sequence[StateMark]], None],
    ) -> None:
        self._transport = transport
        self._period_s = period_s
        self._marks = marks
        self._told = told
        self.peers: dict[MemberId, ProbedPeer] = {}
        # The state of this member's disk, as reported to the others.
        self.disk_slow = False
        transport.answer_probe = self._answer
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Stop probing."""
        self._task.cancel()

    def _answer(self) -> members_pb2.ProbeResponse:
        return members_pb2.ProbeResponse(
            disk_slow=self.disk_slow,
            marks=[
                members_pb2.StateMark(index=mark.index, revision=mark.revision, digest=mark.digest)
                for mark in self._marks()
            ],
        )

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            await self.ask_all()

    async def ask_all(self) -> None:
        """Probe every other member once."""
        peers = {peer.id: peer for peer in self._transport.peers}
        for gone in self.peers.keys() - peers.keys():
            del self.peers[gone]
        for peer in peers.values():
            known = self.peers.setdefault(peer.id, ProbedPeer(peer))
            known.peer = peer
        await asyncio.gather(*(self._ask(each) for each in list(self.peers.values())))

    async def _answer_of(self, member: MemberId) -> members_pb2.ProbeResponse | None:
        try:
            call = self._transport.probe_call(member, _TIMEOUT_S)
            answer: members_pb2.ProbeResponse | None = await call if call is not None else None
        except grpc.aio.UsageError:
            return None
        except grpc.aio.AioRpcError as error:
            if error.code() is DISMISSED:
                # A member that sends nothing to the others learns of its removal here.
                self._transport.dismissed(error.details() or "")
            return None
        except asyncio.CancelledError:
            asking = asyncio.current_task()
            if asking is not None and asking.cancelling():
                raise
            # Not this task was cancelled: the connection was given up under the call.
            return None
        return answer

    async def _ask(self, known: ProbedPeer) -> None:
        began_ns, began_s = time.time_ns(), time.perf_counter()
        answer = await self._answer_of(known.peer.id)
        taken_s = time.perf_counter() - began_s
        if answer is None:
            known.failed += 1
            known.answered = False
            return
        ended_ns = began_ns + int(taken_s * 1e9)
        inside_s = (answer.sent_unix_ns - answer.received_unix_ns) / 1e9
        ahead_ns = (answer.received_unix_ns - began_ns) + (answer.sent_unix_ns - ended_ns)
        known.add(max(0.0, taken_s - inside_s), ahead_ns / 2e9)
        known.disk_slow = answer.disk_slow
        marks = [StateMark(mark.index, mark.revision, mark.digest) for mark in answer.marks]
        self._told(known.peer.id, marks)
