"""Lists and watches: one revision, no gap, no repetition, only what was selected."""

import asyncio
import random
import time

import pytest

from local_cluster.server_process import running
from podraft.api import kinds
from podraft.api.cluster.v1 import table_pb2
from podraft.api.columns import row_of, table_of
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.client import Client
from podraft.client.errors import CompactedError, ForbiddenError, InvalidError
from support.api_objects import example

ADDED = requests_pb2.WATCH_EVENT_TYPE_ADDED
MODIFIED = requests_pb2.WATCH_EVENT_TYPE_MODIFIED
DELETED = requests_pb2.WATCH_EVENT_TYPE_DELETED
BOOKMARK = requests_pb2.WATCH_EVENT_TYPE_BOOKMARK


@pytest.fixture(scope="module")
def server():
    with running() as process:
        yield process


def on_server(server, scenario):
    async def main():
        async with Client(server.config()) as client:
            return await scenario(client)

    return asyncio.run(main())


async def new_namespace(client, name):
    await client.namespaces.create(example(kinds.NAMESPACE, name))
    return name


async def take(watch, number):
    """The next ``number`` events as (type, name), bookmarks left out."""
    found = []
    async with asyncio.timeout(10):
        async for batch in watch:
            found += [(e.type, e.object.metadata.name) for e in batch if e.type != BOOKMARK]
            if len(found) >= number:
                return found
    raise AssertionError("the watch ended")


def test_pages_show_one_revision_whatever_happens_meanwhile(server):
    async def scenario(client):
        space = await new_namespace(client, "pages")
        for number in range(25):
            await client.config_maps.create(example(kinds.CONFIG_MAP, f"c{number:02}", space))
        first = await client.config_maps.list(space, limit=10)
        await client.config_maps.delete("c15", space)
        await client.config_maps.create(example(kinds.CONFIG_MAP, "c11a", space))
        pages, token = [first], first.continue_token
        while token:
            pages.append(await client.config_maps.list(space, limit=10, continue_token=token))
            token = pages[-1].continue_token
        assert [len(page.items) for page in pages] == [10, 10, 5]
        assert {page.resource_version for page in pages} == {first.resource_version}
        seen = [item.metadata.name for page in pages for item in page.items]
        assert seen == [f"c{number:02}" for number in range(25)]
        with pytest.raises(InvalidError):
            await client.config_maps.list("default", continue_token=first.continue_token)

    on_server(server, scenario)


def test_selectors_and_limits_work_together(server):
    async def scenario(client):
        space = await new_namespace(client, "selects")
        for number in range(30):
            labels = {"parity": "even" if number % 2 == 0 else "odd"}
            await client.config_maps.create(
                example(kinds.CONFIG_MAP, f"c{number:02}", space, labels)
            )
        even = [f"c{number:02}" for number in range(0, 30, 2)]
        found, token = [], ""
        while True:
            page = await client.config_maps.list(
                space, label_selector="parity=even", limit=4, continue_token=token
            )
            assert len(page.items) <= 4
            found += [item.metadata.name for item in page.items]
            token = page.continue_token
            if not token:
                break
        assert found == even
        one = await client.config_maps.list(space, field_selector="metadata.name=c07")
        assert [item.metadata.name for item in one.items] == ["c07"]
        none = await client.config_maps.list(space, label_selector="parity notin (even,odd)")
        assert not none.items

    on_server(server, scenario)


def test_a_watch_begins_with_what_is_there_and_a_bookmark(server):
    async def scenario(client):
        space = await new_namespace(client, "begins")
        made = await client.config_maps.create(example(kinds.CONFIG_MAP, "a", space))
        events = []
        async with asyncio.timeout(10):
            async for batch in client.config_maps.watch(space):
                events += batch
                if any(event.type == BOOKMARK for event in batch):
                    break
        assert [(e.type, e.object.metadata.name) for e in events] == [(ADDED, "a"), (BOOKMARK, "")]
        assert events[0].object == made
        assert int(events[1].object.metadata.resource_version) >= int(
            made.metadata.resource_version
        )

    on_server(server, scenario)


def test_a_deleted_object_is_shown_as_it_was_with_the_revision_of_its_removal(server):
    async def scenario(client):
        space = await new_namespace(client, "removed")
        made = await client.config_maps.create(example(kinds.CONFIG_MAP, "a", space))
        watch = client.config_maps.watch(space, resource_version=made.metadata.resource_version)
        await client.config_maps.delete("a", space)
        batch = await anext(aiter(watch))
        assert batch[0].type == DELETED
        gone = batch[0].object
        assert gone.data == made.data
        assert int(gone.metadata.resource_version) > int(made.metadata.resource_version)

    on_server(server, scenario)


def test_objects_enter_and_leave_a_selection(server):
    async def scenario(client):
        space = await new_namespace(client, "enters")
        start = (await client.version()).resource_version
        config_maps = client.config_maps

        async def label(value):
            await config_maps.patch("a", {"metadata": {"labels": {"app": value}}}, space)

        await config_maps.create(example(kinds.CONFIG_MAP, "a", space))
        await label("web")
        await config_maps.patch("a", {"data": {"x": "y"}}, space)
        await label("db")
        await label("web")
        await config_maps.delete("a", space)
        expected = [(ADDED, "a"), (MODIFIED, "a"), (DELETED, "a"), (ADDED, "a"), (DELETED, "a")]
        watch = config_maps.watch(space, label_selector="app=web", resource_version=start)
        assert await take(watch, 5) == expected

    on_server(server, scenario)


def test_an_agents_watch_sees_only_its_nodes_pods(server):
    async def scenario(client):
        space = await new_namespace(client, "nodes-pods")

        async def bound(name, node):
            proposed = example(kinds.POD, name, space)
            proposed.spec.node_name = node
            await client.pods.create(proposed)

        watch = client.pods.watch(field_selector="spec.nodeName=n1")
        events = aiter(watch)
        await anext(events)
        await bound("mine-1", "n1")
        await bound("other", "n2")
        await bound("mine-2", "n1")
        await client.pods.patch("other", {"metadata": {"labels": {"a": "b"}}}, space)
        await client.pods.patch("mine-1", {"metadata": {"labels": {"a": "b"}}}, space)
        assert await take(events, 3) == [(ADDED, "mine-1"), (ADDED, "mine-2"), (MODIFIED, "mine-1")]

    on_server(server, scenario)


def test_resuming_anywhere_repeats_and_loses_nothing(server):
    """Whatever revision a watch starts from, it gives the same history after it."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)

    async def scenario(client):
        space = await new_namespace(client, "resumes")
        start = (await client.version()).resource_version
        written = []

        async def write(worker):
            for number in range(40):
                name = f"w{worker}-{chance.randrange(5)}"
                try:
                    if chance.random() < 0.3:
                        await client.config_maps.delete(name, space)
                    else:
                        patch = {"data": {"n": str(number)}}
                        await client.config_maps.patch(name, patch, space)
                except Exception:  # noqa: BLE001 - it is not there: make it
                    await client.config_maps.create(example(kinds.CONFIG_MAP, name, space))
                written.append(name)

        async def follow(resource_version, until):
            seen = []
            watch = client.config_maps.watch(space, resource_version=resource_version)
            async with asyncio.timeout(20):
                async for batch in watch:
                    for event in batch:
                        if event.type == BOOKMARK:
                            continue
                        metadata = event.object.metadata
                        seen.append((int(metadata.resource_version), event.type, metadata.name))
                        if metadata.name == until:
                            return seen
            raise AssertionError("the watch ended")

        live = asyncio.create_task(follow(start, "end"))
        await asyncio.gather(*(write(worker) for worker in range(6)))
        await client.config_maps.create(example(kinds.CONFIG_MAP, "end", space))
        history = await live
        revisions = [revision for revision, _, _ in history]
        assert revisions == sorted(set(revisions))
        for _ in range(12):
            revision = chance.choice(revisions[:-1])
            again = await follow(str(revision), "end")
            assert again == [entry for entry in history if entry[0] > revision]

    on_server(server, scenario)


def test_a_watch_that_starts_while_others_write_joins_list_and_changes(server):
    async def scenario(client):
        space = await new_namespace(client, "joins")

        async def write():
            for number in range(150):
                await client.config_maps.create(example(kinds.CONFIG_MAP, f"j{number:03}", space))

        async def follow():
            names = await take(client.config_maps.watch(space), 150)
            return [name for _, name in names]

        async def late_follow(pause_s):
            await asyncio.sleep(pause_s)
            return await follow()

        writing = asyncio.create_task(write())
        everyone = await asyncio.gather(*(late_follow(0.02 * n) for n in range(8)))
        await writing
        for seen in everyone:
            assert sorted(seen) == [f"j{number:03}" for number in range(150)]

    on_server(server, scenario)


def test_a_watch_from_the_future_asks_to_list_again(server):
    async def scenario(client):
        with pytest.raises(CompactedError, match="list again"):
            await anext(aiter(client.pods.watch(resource_version="999999999")))
        with pytest.raises(InvalidError):
            await anext(aiter(client.pods.watch(resource_version="yesterday")))

    on_server(server, scenario)


def test_lists_are_of_the_revision_that_is_asked_for(server):
    async def scenario(client):
        space, config_maps = await new_namespace(client, "revisions"), client.config_maps
        made = await config_maps.create(example(kinds.CONFIG_MAP, "a", space))
        await config_maps.create(example(kinds.CONFIG_MAP, "b", space))
        then, exact = made.metadata.resource_version, requests_pb2.RESOURCE_VERSION_MATCH_EXACT
        old = await config_maps.list(space, resource_version=then, match=exact)
        assert [item.metadata.name for item in old.items] == ["a"]
        assert old.resource_version == then
        for any_newer in (then, "0"):
            new = await config_maps.list(space, resource_version=any_newer)
            assert [item.metadata.name for item in new.items] == ["a", "b"]
        future = str(int(new.resource_version) + 1000)
        for match in (exact, requests_pb2.RESOURCE_VERSION_MATCH_NOT_OLDER_THAN):
            with pytest.raises(CompactedError, match="future"):
                await config_maps.list(space, resource_version=future, match=match)

    on_server(server, scenario)


def test_a_former_secret_value_is_not_listed_by_its_revision(server):
    async def scenario(client):
        space, exact = await new_namespace(client, "old-secrets"), 2
        made = await client.secrets.create(example(kinds.SECRET, "a", space))
        then = made.metadata.resource_version
        same = await client.secrets.list(space, resource_version=then, match=exact)
        assert list(same.items) == [made]
        made.data["password"] = b"another"
        await client.secrets.update(made)
        with pytest.raises(ForbiddenError, match="changed since"):
            await client.secrets.list(space, resource_version=then, match=exact)

    on_server(server, scenario)


async def whole(watch):
    """All events of a watch that the server ends, as (type, name), and its last revision."""
    events = []
    async with asyncio.timeout(10):
        async for batch in watch:
            events += batch
    found = [(event.type, event.object.metadata.name) for event in events]
    return found, events


def test_a_watch_ends_in_time_with_a_bookmark_from_which_another_one_goes_on(server):
    async def scenario(client):
        space, config_maps = await new_namespace(client, "ends"), client.config_maps
        made = await config_maps.create(example(kinds.CONFIG_MAP, "a", space))
        found, events = await whole(config_maps.watch(space, timeout_s=1))
        assert found == [(ADDED, "a"), (BOOKMARK, ""), (BOOKMARK, "")]
        marks = [event.object.metadata for event in events[1:]]
        assert marks[0].annotations == {"k8s.io/initial-events-end": "true"}
        assert not marks[1].annotations
        await config_maps.delete("a", space)
        resumed = config_maps.watch(space, resource_version=marks[1].resource_version)
        assert await take(resumed, 1) == [(DELETED, "a")]
        assert int(marks[1].resource_version) >= int(made.metadata.resource_version)
        quiet = config_maps.watch(space, timeout_s=1, allow_bookmarks=False)
        assert await whole(quiet) == ([], [])

    on_server(server, scenario)


def test_a_watch_begins_with_the_objects_or_without_them_as_it_is_asked(server):
    async def scenario(client):
        space, config_maps = await new_namespace(client, "asks"), client.config_maps
        await config_maps.create(example(kinds.CONFIG_MAP, "a", space))
        last = await config_maps.create(example(kinds.CONFIG_MAP, "b", space))
        then = last.metadata.resource_version
        for begin in ({"resource_version": then, "send_initial_events": True}, {}):
            found, _ = await whole(config_maps.watch(space, timeout_s=1, **begin))
            assert found[:3] == [(ADDED, "a"), (ADDED, "b"), (BOOKMARK, "")]
        watch = config_maps.watch(space, send_initial_events=False, timeout_s=2)
        taking = asyncio.ensure_future(whole(watch))
        number = 0
        while not taking.done():
            # The watch may begin at any of these.
            await config_maps.create(example(kinds.CONFIG_MAP, f"c{number}", space))
            number += 1
            await asyncio.wait((taking,), timeout=0.1)
        seen = [name for kind, name in taking.result()[0] if kind == ADDED]
        assert seen
        assert set(seen) <= {f"c{n}" for n in range(number)}

    on_server(server, scenario)


def test_a_table_is_what_the_command_line_prints(server):
    async def scenario(client):
        space = await new_namespace(client, "tables")
        for number in range(3):
            await client.config_maps.create(example(kinds.CONFIG_MAP, f"c{number}", space))
        table = await client.table(kinds.CONFIG_MAP, space, limit=2)
        layout = table_of(kinds.CONFIG_MAP)
        assert [column.name for column in table.columns] == [c.header for c in layout.columns]
        assert [row.cells[0] for row in table.rows] == ["c0", "c1"]
        assert table.metadata.remaining_item_count == 1
        assert not table.rows[0].HasField("metadata")
        rest = await client.table(
            kinds.CONFIG_MAP,
            space,
            limit=2,
            continue_token=table.metadata.continue_token,
            rows=table_pb2.TABLE_ROWS_WITH_OBJECTS,
        )
        last = kinds.CONFIG_MAP.message()
        assert rest.rows[0].object.Unpack(last)
        listed = await client.config_maps.list(space)
        assert last == listed.items[2]
        assert list(rest.rows[0].cells) == row_of(layout.columns, last, time.time())
        with pytest.raises(InvalidError, match="no stored kind"):
            await client.table(kinds.Kind(kinds.POD.message, "v2", "pods"))

    on_server(server, scenario)
