"""Clients that use a cluster continuously, and notice everything that no client should notice.

An operation that fails, takes effect twice, or reads less than was acknowledged is an error:
retries are the SDK's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field

from podraft.api.core.v1 import config_pb2, namespace_pb2
from podraft.api.kinds import CONFIG_MAP
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig
from podraft.client.errors import UnavailableError
from podraft.client.watching.informer import Informer
from podraft.client.watching.leader import ElectionOptions, LeaderElector, LeadershipLostError
from support.waiting import eventually_async

NAMESPACE = "steady"
LAST = "the-last-one"
_BOOKMARK = requests_pb2.WATCH_EVENT_TYPE_BOOKMARK
_PAUSE_S = 0.01


def config_map(name: str, value: int, namespace: str = NAMESPACE) -> config_pb2.ConfigMap:
    made = config_pb2.ConfigMap(data={"value": str(value)})
    made.metadata.name, made.metadata.namespace = name, namespace
    return made


@dataclass(slots=True)
class Book:
    """A record of what the clients did and saw."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    created: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    operations: Counter[str] = field(default_factory=Counter)
    # The end of each operation, and how long it took.
    taken: list[tuple[float, float]] = field(default_factory=list)
    reconnected: int = 0
    leading: set[str] = field(default_factory=set)
    leaders: list[str] = field(default_factory=list)

    def done(self, worker: str, began: float) -> None:
        self.operations[worker] += 1
        now = time.monotonic()
        self.taken.append((now, now - began))

    def slowest_s(self, since: float = 0.0) -> float:
        return max((taken for ended, taken in self.taken if ended >= since), default=0.0)


async def create(client: Client, worker: str, book: Book) -> None:
    """Create objects one after the other: an object that exists already was created twice."""
    number = 0
    while not book.stop.is_set():
        name = f"{worker}-{number}"
        began = time.monotonic()
        made = await client.config_maps.create(config_map(name, number))
        assert made.metadata.name == name
        assert made.metadata.uid
        book.created.add(name)
        book.done(worker, began)
        number += 1
        await asyncio.sleep(_PAUSE_S)


async def count(client: Client, worker: str, book: Book) -> None:
    """Count up in an object that nobody else writes, so that a conflict is an echo."""
    held = await client.config_maps.create(config_map(worker, 0))
    value = 0
    while not book.stop.is_set():
        value += 1
        began = time.monotonic()
        version = held.metadata.resource_version
        if value % 3 == 0:
            changed = config_pb2.ConfigMap()
            changed.CopyFrom(held)
            changed.data["value"] = str(value)
            held = await client.config_maps.update(changed)
        elif value % 3 == 1:
            patch = {"data": {"value": str(value)}}
            held = await client.config_maps.patch(
                worker, patch, NAMESPACE, resource_version=version
            )
        else:
            held = await commit(client, worker, value, version, book)
        assert held.data["value"] == str(value)
        book.counts[worker] = value
        book.done(worker, began)
        await asyncio.sleep(_PAUSE_S)


async def commit(
    client: Client, worker: str, value: int, version: str, book: Book
) -> config_pb2.ConfigMap:
    """Count, and create and remove a witness, in one transaction each."""
    witness = f"{worker}-witness-{value}"
    patch = {"data": {"value": str(value)}}
    response = await client.commit(
        [
            writes.create(config_map(witness, value)),
            writes.patch(CONFIG_MAP, worker, patch, NAMESPACE, resource_version=version),
        ]
    )
    await client.config_maps.delete(witness, NAMESPACE)
    held = config_pb2.ConfigMap()
    assert response.objects[1].Unpack(held)
    return held


async def read(client: Client, worker: str, book: Book) -> None:
    """Read another client's count: never less than was acknowledged before."""
    while not book.stop.is_set():
        for name, known in list(book.counts.items()):
            began = time.monotonic()
            found = await client.config_maps.get(name, NAMESPACE)
            assert int(found.data["value"]) >= known, f"{worker} read the past"
            book.done(worker, began)
        await asyncio.sleep(_PAUSE_S)


async def watch(client: Client, start: str, book: Book) -> list[str]:
    """Follow all changes up to the last one, resuming wherever the watch breaks off."""
    seen: list[str] = []
    version = start
    while not (seen and seen[-1].endswith(f" {LAST}")):
        batches = client.config_maps.watch(NAMESPACE, resource_version=version)
        try:
            async for batch in batches:
                for event in batch:
                    metadata = event.object.metadata
                    if event.type != _BOOKMARK:
                        seen.append(f"{metadata.resource_version} {event.type} {metadata.name}")
                    version = metadata.resource_version
                if seen and seen[-1].endswith(f" {LAST}"):
                    break
        except UnavailableError:
            book.reconnected += 1
        finally:
            await batches.aclose()  # type: ignore[attr-defined]  # A generator in fact.
    return seen


async def stand_for_election(client: Client, worker: str, book: Book) -> None:
    """Lead now and then; while this client leads, nobody else does."""
    options = ElectionOptions("steady", worker, NAMESPACE)

    async def lead() -> None:
        assert not book.leading, "two lead"
        book.leading.add(worker)
        book.leaders.append(worker)
        try:
            async with asyncio.timeout(4.0):
                await book.stop.wait()
        except TimeoutError:
            pass
        finally:
            book.leading.discard(worker)

    while not book.stop.is_set():
        with contextlib.suppress(LeadershipLostError, TimeoutError):
            async with asyncio.timeout(None if not book.stop.is_set() else 1.0) as patience:
                stopping = asyncio.create_task(_expire(book.stop, patience))
                try:
                    await LeaderElector(client.leases, options).run(lead)
                finally:
                    stopping.cancel()


async def _expire(stop: asyncio.Event, patience: asyncio.Timeout) -> None:
    await stop.wait()
    patience.reschedule(asyncio.get_running_loop().time() + 1.0)


class SteadyLoad:
    """The clients, each with its own connection, beginning at the next server in turn."""

    def __init__(self, config: ClusterConfig, book: Book) -> None:
        self._config = config
        self._clients: list[Client] = []
        self._watches: list[asyncio.Task[list[str]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._candidates: list[asyncio.Task[None]] = []
        self._informed: dict[str, int] = {}
        self.book = book

    def _client(self) -> Client:
        servers, turn = self._config.servers, len(self._clients)
        first = turn % len(servers)
        turned = servers[first:] + servers[:first]
        config = ClusterConfig(
            turned,
            self._config.certificate_authority,
            self._config.client_certificate,
            self._config.client_key,
        )
        self._clients.append(Client(config))
        return self._clients[-1]

    async def start(self) -> None:
        namespace = namespace_pb2.Namespace()
        namespace.metadata.name = NAMESPACE
        await self._client().namespaces.create(namespace)
        begin = (await self._client().config_maps.list(NAMESPACE, limit=1)).resource_version
        book = self.book
        for _ in range(3):
            watching = watch(self._client(), begin, book)
            self._watches.append(asyncio.create_task(watching))
        self._informer = Informer(self._client().config_maps, namespace=NAMESPACE)
        self._informer.add_handler(self._inform)
        self._informing = asyncio.create_task(self._informer.run())
        for number in range(2):
            standing = stand_for_election(self._client(), f"candidate{number}", book)
            self._candidates.append(asyncio.create_task(standing))
        for work, workers in ((create, 4), (count, 3), (read, 2)):
            for number in range(workers):
                doing = work(self._client(), f"{work.__name__}{number}", book)
                self._tasks.append(asyncio.create_task(doing))

    def _inform(self, old: config_pb2.ConfigMap | None, new: config_pb2.ConfigMap | None) -> None:
        """Check that every object's revisions come in order, each once."""
        shown = new or old
        assert shown is not None
        name, revision = shown.metadata.name, int(shown.metadata.resource_version)
        if new is not None:
            assert revision > self._informed.get(name, 0), "shown twice, or backwards"
            self._informed[name] = revision

    def done_more(self, before: Counter[str], operations: int) -> bool:
        """Return whether each client has done ``operations`` more; raise any client's error."""
        for task in (*self._tasks, *self._watches, *self._candidates):
            if task.done():
                task.result()
        done = self.book.operations - before
        return len(done) == len(self._tasks) and min(done.values()) >= operations

    async def goes_on(self, operations: int) -> None:
        """Wait until each client has done ``operations`` more."""
        before = self.book.operations.copy()
        await eventually_async(lambda: self.done_more(before, operations), within_s=40)

    async def finish(self) -> None:
        """Stop; check that everything happened once and everybody saw it once, in order."""
        self.book.stop.set()
        await asyncio.gather(*self._tasks, *self._candidates)
        listed = await self._clients[0].config_maps.list(NAMESPACE)
        last = await self._clients[0].config_maps.create(config_map(LAST, 0))
        self._check_objects({item.metadata.name: item for item in listed.items})
        seen = await asyncio.wait_for(asyncio.gather(*self._watches), 30)
        self._check_seen(seen)
        await asyncio.wait_for(self._informer.wait_for(int(last.metadata.resource_version)), 30)
        kept = {item.metadata.name: item for item in self._informer.list()}
        assert kept == {item.metadata.name: item for item in (*listed.items, last)}
        assert not self._informing.done()
        self._informing.cancel()
        for client in self._clients:
            await client.close()

    def _check_objects(self, found: dict[str, config_pb2.ConfigMap]) -> None:
        book = self.book
        assert set(found) == book.created | set(book.counts), "lost, or nobody's"
        for name, value in book.counts.items():
            assert found[name].data["value"] == str(value)

    def _check_seen(self, seen: list[list[str]]) -> None:
        first = seen[0]
        revisions = [int(line.split()[0]) for line in first]
        assert revisions == sorted(revisions)
        assert len(set(first)) == len(first), "a change was seen twice"
        assert all(other == first for other in seen), "two watchers saw different things"
        added = [line.split()[2] for line in first if line.split()[1] == "1"]
        assert len(added) == len(set(added)), "an object appeared twice"
        assert self.book.created | set(self.book.counts) <= set(added), "a change was missed"
