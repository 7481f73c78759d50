"""Connections to one of our servers, bounded per address until they identify their owner.

Owns: watching the sockets of the server's ports, and which of them are known.

Invariants: the kernel is asked off the event loop, and looking takes a small part of a processor
however many connections there are; a connection becomes known at its first call, when the code
that takes calls uses ``recognize``; it is forgotten when its socket is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from podraft.client.serving.own_sockets import OwnSockets
from podraft.client.serving.strangers import (
    Peer,
    Stranger,
    StrangerLimits,
    chosen,
    peer_of,
    surplus,
)

_LOG = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 0.5
# The interval while many strangers connect.
_HURRY_EVERY_S: Final = 0.2
_MANY: Final = 64
# The pause after a look, as a multiple of the processor time that the look took.
_SPARSELY: Final = 20
_TELL_EVERY_S: Final = 30.0
# Descriptors reserved for the store's files, children and calls to agents.
_DESCRIPTORS_KEPT: Final = 512
_CONNECTIONS_MIN, _CONNECTIONS_MAX = 128, 16_384


def descriptor_limit() -> int:
    """Return how many descriptors this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def connections_max(descriptor_limit: int) -> int:
    """Return how many connections a port may have at once."""
    free = descriptor_limit - _DESCRIPTORS_KEPT
    return max(min(free, _CONNECTIONS_MAX), _CONNECTIONS_MIN)


class Owner(Protocol):
    """The owner of connections."""

    def connected(self) -> bool:
        """Count one more connection; return whether it is one too many."""

    def disconnected(self) -> None:
        """Count one connection less."""


class Anyone:
    """An owner whose connections are not counted: being known is enough."""

    def connected(self) -> bool:
        """Count nothing."""
        return False

    def disconnected(self) -> None:
        """Count nothing."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The result of a look: who was connected, who of them is unknown, and whom it disconnected."""

    open: dict[Peer, int]
    strangers: dict[Peer, Stranger]
    ended: Sequence[Peer]
    took_s: float


class Connections:
    """The connections to some ports; all methods are called on the event loop."""

    def __init__(
        self,
        limits: StrangerLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits or StrangerLimits.of(connections_max(descriptor_limit()))
        self._clock = clock
        self._sockets = OwnSockets(())
        self._known: dict[str, Owner] = {}
        self._known_peers: dict[Peer, str] = {}
        self._too_many: set[str] = set()
        self._strangers: dict[Peer, Stranger] = {}
        # Known connections that the next look must end.
        self._ending: set[Peer] = set()
        self._hurried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._told_s = -_TELL_EVERY_S
        self._untold: list[Peer] = []
        # How many were ended because they did not identify themselves in time, or were too many.
        self.ended = 0
        # Called after each look, on the loop.
        self.looked: Callable[[], None] = lambda: None

    def start(self, ports: Collection[int]) -> None:
        """Begin to watch the connections of these local ports."""
        self._sockets = OwnSockets(ports)
        self._task = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def recognize(self, peer: str, owner: Owner) -> bool:
        """Record the owner of the connection from ``peer`` (in gRPC's notation).

        Return whether this connection is one too many for its owner; earlier ones are not.
        """
        before = self._known.get(peer)
        if before is owner:
            return peer in self._too_many
        if before is not None:
            before.disconnected()
        self._too_many.discard(peer)
        if owner.connected():
            self._too_many.add(peer)
        self._known[peer] = owner
        address = peer_of(peer)
        if address is not None:
            self._known_peers[address] = peer
            self._strangers.pop(address, None)
        return peer in self._too_many

    def is_too_many(self, peer: str) -> bool:
        """Return whether the connection exceeds its owner's limit."""
        return peer in self._too_many

    def owner(self, peer: str) -> Owner | None:
        """Return who owns the connection from ``peer`` (in gRPC's notation); None if unknown."""
        return self._known.get(peer)

    def end(self, peer: str) -> None:
        """End the connection from ``peer`` (in gRPC's notation) soon, if it still exists."""
        address = peer_of(peer)
        if address is not None:
            self._ending.add(address)
            self._hurried.set()

    @property
    def known(self) -> int:
        """The number of connections whose owner is known."""
        return len(self._known)

    @property
    def strangers(self) -> int:
        """The number of unknown connections at the last look."""
        return len(self._strangers)

    async def _keep_looking(self) -> None:
        while True:
            took_s = 0.0
            try:
                took_s = await self.look()
                self.looked()
            except Exception:  # noqa: BLE001 - Whatever it was, the next look is as good as any.
                _LOG.exception("the connections could not be looked at")
            pause_s = max(_HURRY_EVERY_S, took_s * _SPARSELY)
            await asyncio.sleep(pause_s)
            if len(self._strangers) <= _MANY and pause_s < _LOOK_EVERY_S:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY_S - pause_s):
                        await self._hurried.wait()
            self._hurried.clear()

    async def look(self) -> float:
        """Look once: forget the connections that are gone, end those that must go.

        Return how many seconds of processor time that took.
        """
        known = frozenset(self._known_peers)
        ending, self._ending = self._ending, set()
        seen = await asyncio.to_thread(self._seen, known, ending)
        for peer in known - seen.open.keys():
            text = self._known_peers.pop(peer, None)
            owner = self._known.pop(text, None) if text is not None else None
            if text is not None:
                self._too_many.discard(text)
            if owner is not None:
                owner.disconnected()
        # Some may have identified themselves in the meantime.
        self._strangers = {
            peer: each for peer, each in seen.strangers.items() if peer not in self._known_peers
        }
        self.ended += len(seen.ended)
        self._tell(seen.ended, self._clock())
        return seen.took_s

    def _seen(self, known: Collection[Peer], ending: Collection[Peer]) -> _Seen:
        """End ``ending`` and the strangers that must go; return who is connected."""
        began_s = time.thread_time()
        found, before, now_s = self._sockets.look(), self._strangers, self._clock()
        strangers = {}
        for peer, descriptor in found.items():
            if peer not in known:
                was = before.get(peer)
                has_spoken = was is not None and was.has_spoken
                strangers[peer] = Stranger(
                    has_spoken or self._sockets.has_spoken(descriptor),
                    was.since_s if was is not None else now_s,
                )
        # A connection that has made a call in the meantime has identified its owner.
        gone = [
            peer
            for peer in surplus(strangers, now_s, self._limits)
            if peer not in self._known_peers and self._sockets.end(peer, found[peer])
        ]
        for peer in gone:
            del strangers[peer]
        for peer in ending:
            if peer in found:
                self._sockets.end(peer, found[peer])
        return _Seen(found, strangers, gone, time.thread_time() - began_s)

    def _tell(self, ended: Collection[Peer], now_s: float) -> None:
        """Log the ended connections, but no more often than a person would read it."""
        if len(self._untold) < 10_000:
            self._untold += ended
        if self._untold and now_s - self._told_s >= _TELL_EVERY_S:
            _LOG.warning(
                "ended %d connections that did not say whose they are, from %s",
                len(self._untold),
                chosen(self._untold),
            )
            self._untold, self._told_s = [], now_s
