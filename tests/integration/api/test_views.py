"""Stored objects in another form: the same objects, by the services of both versions."""

import asyncio

import pytest

from local_cluster.server_process import running
from podraft.api import kinds, views
from podraft.api.core.v1 import event_pb2
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.client import Client
from podraft.client.errors import AlreadyExistsError, ConflictError, InvalidError, NotFoundError
from support.api_objects import example

EVENTS, AUTOSCALERS = views.VIEWS


@pytest.fixture(scope="module")
def server():
    with running() as process:
        yield process


def on_server(server, scenario):
    async def main():
        async with Client(server.config()) as client, asyncio.timeout(60):
            return await scenario(client)

    return asyncio.run(main())


@pytest.mark.parametrize("view", views.VIEWS, ids=lambda view: view.kind.api_version)
def test_an_object_is_one_in_both_forms(server, view):
    async def scenario(client):
        form, stored = client.resource(view.kind), client.resource(view.of)
        made = await stored.create(example(view.of, "both"))
        shown = await form.get("both", "default")
        assert shown == view.shown(made)
        assert shown in (await form.list("default")).items
        shown.metadata.labels["tier"] = "front"
        updated = await form.update(shown)
        assert updated == view.shown(await stored.get("both", "default"))
        assert updated.metadata.labels["tier"] == "front"
        with pytest.raises(ConflictError):
            await form.update(shown)
        with pytest.raises(AlreadyExistsError):
            await form.create(view.shown(example(view.of, "both")))
        await form.delete("both", "default")
        with pytest.raises(NotFoundError):
            await stored.get("both", "default")

    on_server(server, scenario)


def test_an_event_of_the_core_group_is_found_by_what_it_is_about(server):
    async def scenario(client):
        form = client.resource(EVENTS.kind)
        event = event_pb2.Event(reason="Pulled", message="it is there", type="Normal", count=3)
        event.metadata.name, event.metadata.namespace = "old-writer", "default"
        event.involved_object.name, event.involved_object.namespace = "web-1", "default"
        event.source.component = "old"
        created = await form.create(event)
        stored = await client.resource(kinds.EVENT).get("old-writer", "default")
        assert (stored.note, stored.deprecated_count) == ("it is there", 3)
        found = await form.list("default", field_selector="involvedObject.name=web-1")
        assert list(found.items) == [created]
        event.metadata.name, event.reason = "faulty", ""
        with pytest.raises(InvalidError):
            await form.create(event)

    on_server(server, scenario)


def test_a_watch_shows_changes_in_the_form_that_it_asks_for(server):
    async def scenario(client):
        form, stored = client.resource(EVENTS.kind), client.resource(kinds.EVENT)
        since = (await form.list("default")).resource_version
        made = await stored.create(example(kinds.EVENT, "watched"))
        async for batch in form.watch("default", resource_version=since):
            [change] = batch
            assert change.type == requests_pb2.WATCH_EVENT_TYPE_ADDED
            assert change.object == EVENTS.shown(made)
            break

    on_server(server, scenario)
