"""A kind's cache gives each watcher exactly its events, from wherever it starts."""

import asyncio
import random

import pytest

from podraft.api import kinds
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.core.v1.pod_service_pb2 import WatchPodsResponse
from podraft.server.registry import selection
from podraft.server.registry.cache import kind_cache, watchers
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.cache.watchers import Watcher
from podraft.server.state.datastore import Event, EventBatch, Record, SlowWatcherError
from podraft.server.state.revisions import revision_suffix


class History:
    """A keyspace of pods that changes at random and remembers every event."""

    def __init__(self, chance):
        self.chance = chance
        self.revision = 0
        self.records = {}
        self.events = []

    def step(self):
        self.revision += 1
        space, name = self.chance.choice(["a", "b"]), f"p{self.chance.randrange(4)}"
        key = f"pods/{space}/{name}".encode()
        previous = self.records.get(key)
        value = None
        if previous is None or self.chance.random() < 0.7:
            pod = Pod()
            pod.metadata.name, pod.metadata.namespace = name, space
            pod.metadata.labels["app"] = self.chance.choice(["web", "db"])
            pod.spec.node_name = self.chance.choice(["", "n1", "n2"])
            value = pod.SerializeToString() + revision_suffix(self.revision)
            created = previous.create_revision if previous else self.revision
            self.records[key] = Record(key, value, created, self.revision)
        else:
            del self.records[key]
        event = Event(self.revision, key, value, self.revision, previous)
        self.events.append(event)
        return EventBatch(self.revision, (event,))


def selected_before_and_after(history, wanted, start):
    """What a watcher should see, by the definition: membership before and after each event."""
    expected = []
    for event in history.events:
        if event.revision <= start:
            continue
        space = event.key.split(b"/")[1].decode()

        def member(value, space=space):
            in_space = not wanted.namespace or wanted.namespace == space
            return value is not None and in_space and wanted.matches(Pod.FromString(value))

        was = member(event.previous.value if event.previous else None)
        is_now = member(event.value)
        if is_now:
            expected.append((2 if was else 1, event.revision))
        elif was:
            expected.append((3, event.revision))
    return expected


async def drain(watcher):
    seen = []
    while True:
        try:
            data = await asyncio.wait_for(watcher.next(), 0.001)
        except TimeoutError:
            return seen
        for event in WatchPodsResponse.FromString(data).events:
            seen.append((event.type, int(event.object.metadata.resource_version)))  # noqa: PERF401


SELECTIONS = [
    ("", "", ""),
    ("a", "", ""),
    ("", "app=web", ""),
    ("b", "app!=web", ""),
    ("", "", "spec.nodeName=n1"),
    ("a", "app=db", "spec.nodeName=n2"),
    ("", "", "metadata.name=p1"),
    ("", "", "spec.nodeName!=n1"),
]


@pytest.mark.parametrize("texts", SELECTIONS, ids=str)
def test_every_watcher_sees_its_events_in_order_once(texts):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    history = History(random.Random(seed))
    wanted = selection.parse(kinds.POD, *texts)

    async def scenario():
        cache = Caches(kinds.Registry(kinds.BUILT_IN)).of(kinds.POD)
        attached = []
        for step in range(200):
            if step % 20 == 0:
                # Some start in the past, some at a revision that the cache has not seen yet.
                watcher = Watcher(wanted, max(0, history.revision - 10 + step % 15))
                cache.attach(watcher)
                attached.append(watcher)
            cache.take(history.step())
        for watcher in attached:
            expected = selected_before_and_after(history, wanted, watcher.start)
            assert await drain(watcher) == expected
            cache.watchers.discard(watcher)
        assert len(cache.watchers) == 0

    asyncio.run(scenario())


def test_the_ring_forgets_whole_revisions_only(monkeypatch):
    monkeypatch.setattr(kind_cache, "_RING_EVENTS_MAX", 10)
    history = History(random.Random(1))
    cache = Caches(kinds.Registry(kinds.BUILT_IN)).of(kinds.POD)
    for _ in range(20):
        one, two = history.step(), history.step()
        joined = [
            Event(two.revision, e.key, e.value, e.create_revision, e.previous)
            for e in (*one.events, *two.events)
        ]
        cache.take(EventBatch(two.revision, joined))
    assert cache.revision == 40
    assert cache.oldest == 30


def test_a_watcher_that_does_not_read_is_ended_not_skipped(monkeypatch):
    monkeypatch.setattr(watchers, "_QUEUE_BYTES_MAX", 1000)
    history = History(random.Random(1))

    async def scenario():
        cache = Caches(kinds.Registry(kinds.BUILT_IN)).of(kinds.POD)
        watcher = Watcher(selection.parse(kinds.POD, "", "", ""), 0)
        cache.attach(watcher)
        for _ in range(100):
            cache.take(history.step())
        with pytest.raises(SlowWatcherError):
            await watcher.next()

    asyncio.run(scenario())


def test_a_gap_ends_every_watch():
    async def scenario():
        cache = Caches(kinds.Registry(kinds.BUILT_IN)).of(kinds.POD)
        watcher = Watcher(selection.parse(kinds.POD, "", "", "spec.nodeName=n1"), 0)
        cache.attach(watcher)
        cache.reset(50, SlowWatcherError("a gap"))
        with pytest.raises(SlowWatcherError):
            await watcher.next()
        assert cache.oldest == cache.revision == 50

    asyncio.run(scenario())


def test_a_response_is_cut_between_revisions_only(monkeypatch):
    monkeypatch.setattr(watchers, "RESPONSE_BYTES_MAX", 500)
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)

    async def scenario():
        cache = Caches(kinds.Registry(kinds.BUILT_IN)).of(kinds.POD)
        watcher = Watcher(selection.parse(kinds.POD, "", "", ""), 0)
        cache.attach(watcher)
        expected = {}
        for revision in range(1, 60):
            expected[revision] = chance.choice([1, 2, 3, 40])
            cache.take(EventBatch(revision, list(pods_of(revision, expected[revision]))))
        seen, responses = {}, 0
        while len(seen) < len(expected):
            data = await asyncio.wait_for(watcher.next(), 5)
            responses += 1
            revisions = [
                int(event.object.metadata.resource_version)
                for event in WatchPodsResponse.FromString(data).events
            ]
            assert not seen.keys() & set(revisions), "a revision comes in one response"
            assert len(set(revisions)) == 1 or len(data) <= 500
            for revision in revisions:
                seen[revision] = seen.get(revision, 0) + 1
        assert seen == expected
        assert list(seen) == sorted(seen)
        assert responses > 10

    asyncio.run(scenario())


def pods_of(revision, number):
    for index in range(number):
        pod = Pod()
        pod.metadata.name, pod.metadata.namespace = f"p{revision}-{index}", "a"
        value = pod.SerializeToString() + revision_suffix(revision)
        yield Event(revision, f"pods/a/{pod.metadata.name}".encode(), value, revision, None)
