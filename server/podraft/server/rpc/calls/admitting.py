"""Letting calls in: each within its caller's budget, before its message is read.

Owns: what a call holds from its first byte to the last one of its answer, and the waiting for it.

Invariants: nothing of a message is received before its caller has a place for it, so what callers
send and do not finish is bounded by budgets and not by connections; an answer waits for room before
it is composed, and counts until it was sent; what a call holds is given back when it ends, however
it ends.  A peer that does not send or take its bytes in time loses its connection.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from podraft.client.serving.incoming import Connections
from podraft.server.budgets.budget import Budgets, Exceeded, Holder, Resource, Role
from podraft.server.registry.access.budgets import over_budget
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.rpc.calls.seating import Seating
from podraft.server.rpc.calls.statuses import Context
from podraft.server.rpc.calls.statuses import send as send_message

# Smaller answers are not counted by bytes: the limits of calls and watches bound their number.
SMALL_BYTES: Final = 16 * 1024
_LARGE_BYTES: Final = 1024 * 1024
_BYTES_PER_COST: Final = 1024
# The time in which the bytes of a request or an answer must arrive: a fixed part, and more by their
# number.  A peer that stands still has its connection ended.
_ON_THE_WAY_S: Final = 20.0
_BYTES_PER_S: Final = 128 * 1024
# The same while other calls wait for the room.
_ON_THE_WAY_WANTED_S: Final = 5.0
_BYTES_PER_S_WANTED: Final = 4 * 1024 * 1024
_ROOM_S_MAX: Final = 30.0
# A refused caller waits a little for the answer, or it would ask again at once: this bounds one
# caller's refusals per second.  A caller with too many waiting refusals is disconnected.
_REFUSAL_S: Final = 0.25
_REFUSAL_S_MAX: Final = 10.0
_REFUSALS_PER_S: Final = 32
_REFUSALS_MAX: Final = 2_048
# Connections beyond a caller's limit wait for their refusal like calls, up to so many more.
_CONNECTIONS_TOLERATED: Final = 256


class Call:
    """The resources that one call holds; ended by gRPC, whatever becomes of it."""

    __slots__ = (
        "_gate",
        "_held",
        "_moving_since_s",
        "_room",
        "_room_of",
        "context",
        "holder",
        "peer",
    )

    def __init__(self, gate: Gate, context: Context, holder: Holder, held: Resource) -> None:
        self._gate = gate
        self._held = [held]
        self._room = 0
        self._room_of = Resource.ANSWERS
        self._moving_since_s = 0.0
        self.context = context
        self.holder = holder
        self.peer = context.peer()

    async def receive(self) -> bytes:
        """Return the request's message, as soon as there is a place for it.

        Raises:
            RefusedError: No message came, or no place became free in time.
        """
        gate, holder = self._gate, self.holder
        exceeded = holder.take(Resource.RECEIVING)
        if exceeded is not None:
            await gate.wait_for(self, exceeded, 1)
        self._moving_since_s = gate.now_s()
        gate.moving[self] = 0
        try:
            message = await self.context.read()
        finally:
            del gate.moving[self]
            gate.give_back(holder, Resource.RECEIVING, 1)
        if not isinstance(message, bytes):
            raise RefusedError(Code.INVALID_ARGUMENT, "the call ended without a message")
        return message

    async def charge(self, request_bytes: int = 0) -> None:
        """Wait for the turn of a call with a request of ``request_bytes``; few calls have to.

        Raises:
            RefusedError: The turn comes too late.
        """
        wait = self.holder.charge(1 + request_bytes // _BYTES_PER_COST, self._gate.now_s())
        if isinstance(wait, Exceeded):
            raise over_budget(self.holder, wait)
        if wait:
            await asyncio.sleep(wait)

    async def hold(self, resource: Resource) -> None:
        """Take one of ``resource`` as soon as there is one, and keep it until the call ends."""
        exceeded = self.holder.take(resource)
        if exceeded is not None:
            await self._gate.wait_for(self, exceeded, 1)
        self._held.append(resource)

    async def make_room(self, size: int) -> None:
        """Wait until an answer of ``size`` bytes may be composed; it counts until the call ends."""
        if size <= SMALL_BYTES:
            return
        self._room_of = Resource.LARGE_ANSWERS if size > _LARGE_BYTES else Resource.ANSWERS
        exceeded = self.holder.take(self._room_of, size)
        if exceeded is not None:
            await self._gate.wait_for(self, exceeded, size)
        self._room += size
        self._moving_since_s = self._gate.now_s()
        self._gate.moving[self] = self._room

    async def send(self, response: bytes) -> None:
        """Send one message of a stream as soon as there is room for it and the caller takes it.

        Raises:
            CallerLeftError: The call has ended.
        """
        size = len(response)
        if size > SMALL_BYTES:
            await self.make_room(size)
        else:
            self._moving_since_s = self._gate.now_s()
            self._gate.moving[self] = size
        await send_message(self.context, response)
        self._release()

    def _release(self) -> None:
        self._gate.moving.pop(self, None)
        if self._room:
            room, self._room = self._room, 0
            self._gate.give_back(self.holder, self._room_of, room)

    def stands_still(self, size: int, now_s: float, *, wanted: bool) -> bool:
        """Return whether the peer has had more than enough time for ``size`` bytes."""
        if wanted:
            given_s = _ON_THE_WAY_WANTED_S + size / _BYTES_PER_S_WANTED
        else:
            given_s = _ON_THE_WAY_S + size / _BYTES_PER_S
        return now_s - self._moving_since_s > given_s

    def end(self, _: Context) -> None:
        """Give back all that the call holds."""
        self._release()
        for resource in self._held:
            self._gate.give_back(self.holder, resource, 1)


class _Waiting:
    """A call that waits for room."""

    __slots__ = ("amount", "granted", "resource")

    def __init__(self, resource: Resource, amount: int) -> None:
        self.resource = resource
        self.amount = amount
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Gate:
    """The gate that lets calls in; lives on the loop."""

    def __init__(
        self,
        budgets: Budgets | None = None,
        connections: Connections | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budgets = budgets or Budgets()
        self.connections = connections or Connections()
        self.connections.looked = self.end_who_stands_still
        self.now_s = now_s
        # The turns of people's calls.
        self.seating = Seating()
        # The calls whose peer has to send or take bytes now, with the number of bytes.
        self.moving: dict[Call, int] = {}
        # The waiting calls for a resource of a role, by holder, the newest last.
        self._waiting: dict[tuple[Role, Resource], dict[Holder, deque[_Waiting]]] = {}
        self._refusing: dict[object, int] = {}
        # The number of connections ended because their peer stood still, or would not listen.
        self.ended = 0

    def enter(self, context: Context, holder: Holder, resource: Resource = Resource.CALLS) -> Call:
        """Admit a call.

        Raises:
            RefusedError: Its caller has too many calls already.
        """
        call = Call(self, context, holder, resource)
        if self.connections.recognize(call.peer, holder):
            exceeded = holder.too_many_connections()
            if holder.used[Resource.CONNECTIONS] > exceeded.limit + _CONNECTIONS_TOLERATED:
                self.end(call.peer)
            raise over_budget(holder, exceeded)
        refused = holder.take(resource)
        if refused is not None:
            raise over_budget(holder, refused)
        # The stubs of gRPC's versions differ in how they call this type.
        end: Any = call.end
        context.add_done_callback(end)
        return call

    async def pause(self, context: Context) -> None:
        """Delay a caller's refusal, the longer the more of its refusals wait."""
        peer = context.peer()
        owner = self.connections.owner(peer)
        waiting = self._refusing.get(owner, 0)
        if waiting >= _REFUSALS_MAX:
            self.end(peer)
            return
        self._refusing[owner] = waiting + 1
        try:
            await asyncio.sleep(min(_REFUSAL_S + waiting / _REFUSALS_PER_S, _REFUSAL_S_MAX))
        finally:
            left = self._refusing[owner] - 1
            if left:
                self._refusing[owner] = left
            else:
                del self._refusing[owner]
        if self.connections.is_too_many(peer):
            self.end(peer)

    def end(self, peer: str) -> None:
        """End a connection."""
        self.ended += 1
        self.connections.end(peer)

    async def wait_for(self, call: Call, exceeded: Exceeded, amount: int) -> None:
        """Wait until the call's holder may take ``amount`` of what is exceeded.

        Raises:
            RefusedError: That does not happen in time.
        """
        resource, holder = exceeded.resource, call.holder
        waiting = _Waiting(resource, amount)
        queues = self._waiting.setdefault((holder.role, resource), {})
        queues.setdefault(holder, deque()).append(waiting)
        try:
            async with asyncio.timeout(_ROOM_S_MAX):
                await waiting.granted
        except BaseException as error:
            if waiting.granted.done() and not waiting.granted.cancelled():
                self.give_back(holder, resource, amount)
            else:
                self._forget(waiting, holder, queues)
            if isinstance(error, TimeoutError):
                raise over_budget(holder, exceeded) from None
            raise

    def give_back(self, holder: Holder, resource: Resource, amount: int) -> None:
        """Give back what a call held; calls that wait for it get it."""
        holder.give_back(resource, amount)
        # Calls hardly ever wait.
        if self._waiting and (queues := self._waiting.get((holder.role, resource))):
            for each in list(queues):
                self._grant(each, queues)

    @staticmethod
    def _forget(waiting: _Waiting, holder: Holder, queues: dict[Holder, deque[_Waiting]]) -> None:
        """Remove a cancelled call from the queue."""
        queue = queues.get(holder)
        # The call may have been removed already when something was given back since then.
        if queue is None or waiting not in queue:
            return
        queue.remove(waiting)
        if not queue:
            del queues[holder]

    @staticmethod
    def _grant(holder: Holder, queues: dict[Holder, deque[_Waiting]]) -> None:
        """Give the free amount to the waiting calls of a holder."""
        queue = queues[holder]
        # The newest first: if many stand still, new calls need not stand behind them.
        while queue and holder.fits(queue[-1].resource, queue[-1].amount):
            waiting = queue.pop()
            if not waiting.granted.done():
                holder.take(waiting.resource, waiting.amount)
                waiting.granted.set_result(None)
        if not queue:
            del queues[holder]

    def end_who_stands_still(self) -> None:
        """End the connections of peers that do not send or take their bytes in time."""
        now_s = self.now_s()
        wanted = {role for (role, _), queues in self._waiting.items() if queues}
        for peer in {
            call.peer
            for call, size in self.moving.items()
            if call.stands_still(size, now_s, wanted=call.holder.role in wanted)
        }:
            self.end(peer)
