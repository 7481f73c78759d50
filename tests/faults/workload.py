"""Clients of the API that write down what they asked, when, and what they were told.

Owns: registers (``ConfigMap``s that hold one number, never used twice) which are read, written,
created and changed under compare-and-set at any member; watchers that resume wherever they can.
Invariant: a call whose answer does not say what became of it has an unknown outcome.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from math import inf
from random import Random

from podraft.api.core.v1 import config_pb2
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.client import Client, ResourceClient
from podraft.client.connecting.config import ClusterConfig
from podraft.client.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
)
from simulation.linearizability import ABSENT, UNKNOWN, Act

NAMESPACE = "default"
_KEYS = 4
# Registers are changed for new ones so often that the search for an order stays short.
_EPOCH_S = 4.0
_CALL_S = 2.0
_PAUSE_S = 0.004
_AFTER_FAILURE_S = 0.03
_WATCH_SILENCE_S = 3.0
_AFTER_REFUSAL_S = 0.2


@dataclass(slots=True)
class Call:
    """One call on one register; ``end_s`` infinite: it is not known what became of it.

    ``revision``: of the write that succeeded, or of the object that was read (0: none).
    """

    client: int
    member: str
    key: str
    act: Act
    start_s: float
    end_s: float = inf
    value: int = ABSENT
    expected: int = ABSENT
    seen: int = ABSENT
    revision: int = 0
    # It certainly had no effect, and tells nothing.
    void: bool = False
    error: str = ""


@dataclass(slots=True)
class Seen:
    """One event of a watch."""

    revision: int
    key: str
    value: int
    type: int


@dataclass
class Book:
    """Everything that happened to the clients."""

    calls: list[Call] = field(default_factory=list)
    acknowledged_s: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    values: int = 0

    def next_value(self) -> int:
        self.values += 1
        return self.values


Configs = dict[str, ClusterConfig]


def register(key: str, value: int, resource_version: str = "") -> config_pb2.ConfigMap:
    made = config_pb2.ConfigMap(data={"v": str(value)})
    made.metadata.name, made.metadata.namespace = key, NAMESPACE
    made.metadata.resource_version = resource_version
    return made


def value_of(stored: config_pb2.ConfigMap) -> int:
    return int(stored.data["v"])


class RegisterClient:
    """Asks one thing at a time, at one member, until that fails."""

    def __init__(self, number: int, seed: int, configs: Configs, book: Book) -> None:
        self._number = number
        self._random = Random(f"{seed} {number}")
        self._clients = {
            name: Client(config, timeout_s=_CALL_S) for name, config in configs.items()
        }
        self._book = book
        self._member = self._random.choice(list(configs))
        # Last known value and resource version by key.
        self._known: dict[str, tuple[int, str]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        began = time.monotonic()
        while not stop.is_set():
            epoch = int((time.monotonic() - began) / _EPOCH_S)
            key = f"r-{epoch}-{self._random.randrange(_KEYS)}"
            call = await self._once(key)
            self._book.calls.append(call)
            if call.end_s == inf or call.void:
                others = [name for name in self._clients if name != self._member]
                self._member = self._random.choice(others)
                await asyncio.sleep(_AFTER_FAILURE_S)
            elif self._random.random() < 0.01:
                self._member = self._random.choice(list(self._clients))
            await asyncio.sleep(2 * _PAUSE_S * self._random.random())
        for client in self._clients.values():
            await client.close()

    async def _once(self, key: str) -> Call:
        choice = self._random.random()
        known = self._known.get(key)
        call = Call(self._number, self._member, key, Act.READ, time.monotonic())
        try:
            if known is None or choice < 0.4:
                await self._read(call)
            elif known[0] == ABSENT:
                await self._create(call)
            elif choice < 0.6:
                await self._write(call)
            else:
                await self._swap(call, *known)
        except (UnavailableError, OverloadedError) as error:
            call.error = f"{error.code.name}: {error.message}"
            # A read that was not answered tells nothing.
            call.void = call.act is Act.READ
        except ApiError as error:
            self._book.problems.append(f"{call}: {error.code.name}: {error}")
            call.void = True
        else:
            call.end_s = time.monotonic()
            if call.act in (Act.WRITE, Act.SWAP):
                self._book.acknowledged_s.append(call.end_s)
        return call

    def _answered(self, call: Call, stored: config_pb2.ConfigMap) -> None:
        version = stored.metadata.resource_version
        call.revision = int(version)
        self._known[call.key] = (value_of(stored), version)

    async def _read(self, call: Call) -> None:
        try:
            stored = await self._maps.get(call.key, NAMESPACE)
        except NotFoundError:
            self._known[call.key] = (ABSENT, "")
            return
        self._answered(call, stored)
        call.seen = value_of(stored)

    async def _create(self, call: Call) -> None:
        call.act, call.value = Act.SWAP, self._book.next_value()
        try:
            stored = await self._maps.create(register(call.key, call.value))
        except AlreadyExistsError:
            call.act, call.seen = Act.SWAP_REFUSED, UNKNOWN
            self._known.pop(call.key, None)
            return
        self._answered(call, stored)

    async def _write(self, call: Call) -> None:
        call.act, call.value = Act.WRITE, self._book.next_value()
        try:
            stored = await self._maps.update(register(call.key, call.value))
        except NotFoundError:
            call.act = Act.READ
            return
        except ConflictError:
            # Others were quicker, again and again: it was not written.
            call.void = True
            return
        self._answered(call, stored)

    async def _swap(self, call: Call, expected: int, version: str) -> None:
        call.act, call.value, call.expected = Act.SWAP, self._book.next_value(), expected
        try:
            stored = await self._maps.update(register(call.key, call.value, version))
        except (ConflictError, NotFoundError):
            call.act, call.seen = Act.SWAP_REFUSED, UNKNOWN
            self._known.pop(call.key, None)
            return
        self._answered(call, stored)

    @property
    def _maps(self) -> ResourceClient[config_pb2.ConfigMap]:
        return self._clients[self._member].config_maps


class Watcher:
    """Follows all registers, at one member until that fails or is silent, then at another."""

    def __init__(self, number: int, seed: int, configs: Configs, start: int) -> None:
        self._random = Random(f"{seed} watcher {number}")
        self._configs = configs
        self.start = self.position = start
        self.seen: list[Seen] = []
        self.resumed = 0
        self.problems: list[str] = []

    async def run(self, until: Callable[[int], bool]) -> None:
        """Watch until ``until`` says of a revision that it is the end."""
        while not until(self.position):
            name = self._random.choice(list(self._configs))
            async with Client(self._configs[name]) as client:
                try:
                    await self._follow(client, until)
                except UnavailableError:
                    await asyncio.sleep(_AFTER_FAILURE_S)
                except TimeoutError:
                    pass
                except ApiError as error:
                    # History is kept for longer than a run lasts, and nothing is asked in advance.
                    self.problems.append(f"a watch from {self.position} at {name}: {error}")
                    await asyncio.sleep(_AFTER_REFUSAL_S)
            self.resumed += 1

    async def _follow(self, client: Client, until: Callable[[int], bool]) -> None:
        watch = client.config_maps.watch(NAMESPACE, resource_version=str(self.position))
        loop = asyncio.get_running_loop()
        # Each is at a member for a while only: most of what is tried is to resume elsewhere.
        patience = loop.time() + 8 * self._random.random() + 0.5
        async with aclosing(watch) as batches:  # type: ignore[type-var]  # A generator in fact.
            while not until(self.position) and loop.time() < patience:
                async with asyncio.timeout(_WATCH_SILENCE_S):
                    batch = await anext(batches)
                for event in batch:
                    self._take(event.type, event.object)

    def _take(self, kind: int, stored: config_pb2.ConfigMap) -> None:
        revision = int(stored.metadata.resource_version)
        if kind == requests_pb2.WATCH_EVENT_TYPE_BOOKMARK:
            self.position = max(self.position, revision)
            return
        self.seen.append(Seen(revision, stored.metadata.name, int(stored.data.get("v", 0)), kind))
        self.position = max(self.position, revision)
