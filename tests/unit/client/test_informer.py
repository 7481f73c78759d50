"""The informer against scripted streams."""

import asyncio
import random
from collections import deque

import grpc
import pytest

from podraft.api.core.v1 import pod_pb2, pod_service_pb2
from podraft.api.kinds import POD
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.wire import WatchEvent, watch_decoder
from podraft.client.errors import CompactedError, InvalidError, UnavailableError
from podraft.client.watching.informer import Informer
from support.waiting import eventually_async

ADDED = requests_pb2.WATCH_EVENT_TYPE_ADDED
MODIFIED = requests_pb2.WATCH_EVENT_TYPE_MODIFIED
DELETED = requests_pb2.WATCH_EVENT_TYPE_DELETED
BOOKMARK = requests_pb2.WATCH_EVENT_TYPE_BOOKMARK
UNAVAILABLE = UnavailableError(grpc.StatusCode.UNAVAILABLE, "gone")
COMPACTED = CompactedError(grpc.StatusCode.OUT_OF_RANGE, "compacted")


def event(type_, name, revision, node=""):
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace = name, "shop"
    pod.metadata.uid = f"uid-{name}"
    pod.metadata.resource_version = str(revision)
    if node:
        pod.spec.node_name = node
    return WatchEvent(type_, pod)


def bookmark(revision):
    pod = pod_pb2.Pod()
    pod.metadata.resource_version = str(revision)
    return WatchEvent(BOOKMARK, pod)


class Streams:
    """Each watch plays the next script: batches, then an error, or silence for ever."""

    kind = POD

    def __init__(self, *scripts):
        self.scripts = deque(scripts)
        self.asked = []

    async def watch(
        self, namespace="", *, label_selector="", field_selector="", resource_version=""
    ):
        self.asked.append(resource_version)
        for item in self.scripts.popleft() if self.scripts else ():
            if isinstance(item, Exception):
                raise item
            yield item
            await asyncio.sleep(0)
        if not self.scripts:
            await asyncio.Event().wait()


def follow(streams, until, **options):
    """Run an informer until a condition holds; return it and what its handler saw."""
    changes = []

    async def main():
        informer = Informer(streams, **options)
        informer.add_handler(
            lambda old, new: changes.append(
                (
                    old and old.metadata.resource_version,
                    new and new.metadata.resource_version,
                )
            )
        )
        task = asyncio.create_task(informer.run())
        await eventually_async(lambda: until(informer), within_s=5)
        task.cancel()
        return informer

    return asyncio.run(main()), changes


def test_it_is_synced_after_the_bookmark_and_then_follows():
    streams = Streams(
        [
            [event(ADDED, "a", 3), event(ADDED, "b", 5)],
            [bookmark(7)],
            [event(MODIFIED, "a", 8), event(DELETED, "b", 9)],
            [bookmark(12)],
        ]
    )
    informer, changes = follow(streams, lambda i: i.revision == 12)
    assert changes == [(None, "3"), (None, "5"), ("3", "8"), ("5", None)]
    assert [pod.metadata.name for pod in informer.list()] == ["a"]
    assert informer.has_synced


def test_a_broken_stream_is_resumed_after_the_last_revision():
    streams = Streams(
        [[event(ADDED, "a", 3)], [bookmark(4)], [event(MODIFIED, "a", 6)], UNAVAILABLE],
        [[event(MODIFIED, "a", 7)]],
    )
    _, changes = follow(streams, lambda i: i.revision == 7)
    assert streams.asked == ["", "6"]
    assert changes == [(None, "3"), ("3", "6"), ("6", "7")]


def test_a_list_that_broke_off_begins_anew():
    streams = Streams(
        [[event(ADDED, "a", 3)], UNAVAILABLE],
        [[event(ADDED, "b", 5)], [bookmark(6)]],
    )
    informer, changes = follow(streams, lambda i: i.revision == 6)
    assert streams.asked == ["", ""]
    assert changes == [(None, "3"), (None, "5"), ("3", None)]
    assert [pod.metadata.name for pod in informer.list()] == ["b"]


def test_after_compaction_only_the_difference_is_shown():
    streams = Streams(
        [
            [event(ADDED, "a", 1), event(ADDED, "b", 2), event(ADDED, "c", 3)],
            [bookmark(3)],
            COMPACTED,
        ],
        [[event(ADDED, "a", 1), event(ADDED, "b", 9), event(ADDED, "d", 8)], [bookmark(9)]],
    )
    informer, changes = follow(streams, lambda i: i.revision == 9)
    assert changes[3:] == [("2", "9"), (None, "8"), ("3", None)]
    assert sorted(pod.metadata.name for pod in informer.list()) == ["a", "b", "d"]


def test_a_selector_that_the_server_refuses_ends_it():
    streams = Streams([InvalidError(grpc.StatusCode.INVALID_ARGUMENT, "bad selector")])
    with pytest.raises(InvalidError):
        asyncio.run(Informer(streams).run())


def test_waiting_ends_when_the_revision_is_complete():
    async def main():
        informer = Informer(
            Streams([[event(ADDED, "a", 9)], [bookmark(5)], [event(ADDED, "b", 12)]])
        )
        waiting = [asyncio.create_task(informer.wait_for(r)) for r in (12, 9, 12)]
        task = asyncio.create_task(informer.run())
        async with asyncio.timeout(5):
            await asyncio.gather(*waiting)
        assert informer.get("b", "shop") is not None
        await informer.wait_for(3)
        task.cancel()

    asyncio.run(main())


def test_a_revision_is_reached_when_all_of_its_changes_are_in_the_copy():
    async def main():
        large = [event(ADDED, f"p{n}", 9) for n in range(400)]
        informer = Informer(Streams([[bookmark(5)], large, [event(ADDED, "q", 10)]]))
        numbers = []
        informer.add_handler(lambda old, new: numbers.append((informer.revision, new)))
        task = asyncio.create_task(informer.run())
        async with asyncio.timeout(5):
            await informer.wait_for(9)
        assert len(informer.list()) >= 400
        assert {revision for revision, _ in numbers[:400]} == {5}, "reached after the last change"
        task.cancel()

    asyncio.run(main())


def test_indexes_agree_with_the_objects_whatever_happens():
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    present, batches = {}, [[bookmark(1)]]
    for revision in range(2, 400):
        name, node = f"p{chance.randrange(20)}", chance.choice(["", "n1", "n2", "n3"])
        if name in present and chance.random() < 0.3:
            del present[name]
            batches.append([event(DELETED, name, revision)])
        else:
            batches.append([event(MODIFIED if name in present else ADDED, name, revision, node)])
            present[name] = node
    informer, _ = follow(
        Streams(batches),
        lambda i: i.revision == 399,
        indexes={"node": lambda pod: [pod.spec.node_name] if pod.spec.node_name else []},
    )
    for node in ("n1", "n2", "n3"):
        found = {pod.metadata.name for pod in informer.by_index("node", node)}
        assert found == {name for name, where in present.items() if where == node}


def test_watch_responses_are_decoded_event_by_event():
    response = pod_service_pb2.WatchPodsResponse()
    for number in range(3):
        response.events.add(type=ADDED).object.CopyFrom(event(ADDED, f"p{number}", number).object)
    decoded = watch_decoder(POD)(response.SerializeToString())
    assert [(e.type, e.object) for e in decoded] == [(e.type, e.object) for e in response.events]
