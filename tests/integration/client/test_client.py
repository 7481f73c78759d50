"""The SDK against a real server: calls, errors, watches, restarts, elections."""

import asyncio
import contextlib
import socket

import grpc
import pytest

from local_cluster.server_process import ServerProcess
from podraft.api.cluster.v1 import member_pb2
from podraft.api.core.v1 import config_pb2
from podraft.api.kinds import CONFIG_MAP, EVENT
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig, load
from podraft.client.errors import (
    AlreadyExistsError,
    ConflictError,
    DeadlineExceededError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from podraft.client.watching.informer import Informer
from podraft.client.watching.leader import ElectionOptions, LeaderElector, LeadershipLostError
from podraft.client.watching.recorder import EventRecorder
from support.waiting import eventually_async


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as server:
        yield server.data_dir


def run(data_dir, test, name="admin"):
    async def main():
        async with Client(load(data_dir / f"{name}.conf")) as client, asyncio.timeout(60):
            await test(client)

    asyncio.run(main())


def entry(name, **data):
    made = config_pb2.ConfigMap(data=data)
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


def test_a_server_alone_is_listed_as_the_only_member(data_dir):
    async def test(client):
        listed = await client.members.list()
        assert listed.mode == member_pb2.STORE_MODE_SINGLE
        assert listed.cluster_id == (await client.version()).cluster_id
        (member,) = listed.members
        assert member.leader and member.reachable and not member.peer_address

    run(data_dir, test)


def test_an_objects_whole_life(data_dir):
    async def test(client):
        created = await client.config_maps.create(entry("life", a="1"))
        assert created.metadata.uid
        assert await client.config_maps.get("life", "default") == created
        with pytest.raises(AlreadyExistsError):
            await client.config_maps.create(entry("life"))
        created.data["b"] = "2"
        updated = await client.config_maps.update(created)
        with pytest.raises(ConflictError):
            await client.config_maps.update(created)
        patched = await client.config_maps.patch("life", {"data": {"a": None}}, "default")
        assert dict(patched.data) == {"b": "2"}
        with pytest.raises(ConflictError):
            await client.config_maps.patch(
                "life", {}, "default", resource_version=updated.metadata.resource_version
            )
        listed = await client.config_maps.list("default", field_selector="metadata.name=life")
        assert list(listed.items) == [patched]
        with pytest.raises(ConflictError):
            await client.config_maps.delete("life", "default", uid="another")
        await client.config_maps.delete("life", "default", dry_run=True)
        assert await client.config_maps.delete("life", "default") is not None
        with pytest.raises(NotFoundError):
            await client.config_maps.get("life", "default")

    run(data_dir, test)


def test_a_refused_commit_changes_nothing_and_names_the_field(data_dir):
    async def test(client):
        with pytest.raises(InvalidError) as refused:
            await client.commit([writes.create(entry("good")), writes.create(entry("Not A Name"))])
        assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
        assert refused.value.violations[0].field.startswith("writes[1].")
        with pytest.raises(NotFoundError):
            await client.config_maps.get("good", "default")

    run(data_dir, test)


def test_pages_are_continued(data_dir):
    async def test(client):
        made = [entry(f"page-{number:02d}") for number in range(25)]
        await client.commit([writes.create(one) for one in made], omit_objects=True)
        names, token = [], ""
        while True:
            page = await client.config_maps.list("default", limit=10, continue_token=token)
            names += [one.metadata.name for one in page.items]
            token = page.continue_token
            if not token:
                break
        assert [n for n in names if n.startswith("page-")] == [m.metadata.name for m in made]
        await client.commit(
            [writes.delete(CONFIG_MAP, one.metadata.name, "default") for one in made]
        )

    run(data_dir, test)


def test_a_watch_tells_of_changes_in_order(data_dir):
    async def test(client):
        start = (await client.version()).resource_version
        for number in range(5):
            await client.config_maps.create(entry(f"seen-{number}"))
        await client.config_maps.delete("seen-0", "default")
        seen = []
        stream = client.config_maps.watch("default", resource_version=start)
        async for batch in stream:
            seen += [(event.type, event.object.metadata.name) for event in batch]
            if len(seen) >= 6:
                break
        await stream.aclose()
        added, deleted = (
            requests_pb2.WATCH_EVENT_TYPE_ADDED,
            requests_pb2.WATCH_EVENT_TYPE_DELETED,
        )
        assert seen == [(added, f"seen-{n}") for n in range(5)] + [(deleted, "seen-0")]

    run(data_dir, test)


def test_who_may_not_is_told_so(data_dir):
    async def test(client):
        with pytest.raises(ForbiddenError):
            await client.secrets.list()

    run(data_dir, test, name="scheduler")


def test_without_a_certificate_of_the_cluster_there_is_no_answer(data_dir):
    config = load(data_dir / "admin.conf")

    async def main():
        other = ClusterConfig(config.servers, config.certificate_authority, b"", b"")
        async with Client(other, timeout_s=3) as client:
            with pytest.raises(UnavailableError):
                await client.create_join_token(60)

    asyncio.run(main())


def test_a_server_that_answers_is_found_behind_one_that_does_not(data_dir):
    config = load(data_dir / "admin.conf")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{unused.getsockname()[1]}"

        async def main():
            both = ClusterConfig(
                (dead, *config.servers),
                config.certificate_authority,
                config.client_certificate,
                config.client_key,
            )
            async with Client(both) as client:
                assert (await client.version()).cluster_id
            async with Client(both) as client:
                stream = client.config_maps.watch("default")
                assert await anext(stream)
                await stream.aclose()  # type: ignore[attr-defined]  # A generator in fact.

        asyncio.run(main())


def test_a_server_that_never_answers_costs_only_the_deadline(data_dir):
    config = load(data_dir / "admin.conf")

    async def main():
        silent = socket.create_server(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        lost = ClusterConfig(
            (address,), config.certificate_authority, config.client_certificate, config.client_key
        )
        async with Client(lost, timeout_s=0.3) as client:
            with pytest.raises((DeadlineExceededError, UnavailableError)):
                await client.version()
        silent.close()

    asyncio.run(main())


def test_an_informer_survives_the_servers_restart(tmp_path):
    async def main():
        with ServerProcess(tmp_path / "data") as server:
            client = await stack.enter_async_context(Client(server.config()))
            informer = Informer(client.config_maps)
            changes = []
            informer.add_handler(lambda old, new: changes.append((new or old).metadata.name))
            task = asyncio.create_task(informer.run())
            await informer.synced()
            await client.config_maps.create(entry("before"))
            await eventually_async(lambda: changes == ["before"])
            server.stop()
            server.start()
            async with Client(server.config()) as other:
                await other.config_maps.create(entry("after"))
            await eventually_async(lambda: changes == ["before", "after"], within_s=15)
            assert not task.done()
            task.cancel()
            await stack.aclose()

    stack = contextlib.AsyncExitStack()
    asyncio.run(main())


def test_an_informer_that_knows_a_future_revision_lists_anew(data_dir):
    async def test(client):
        """A server that was restored from a backup is behind its clients."""
        await client.config_maps.create(entry("restored"))
        informer = Informer(client.config_maps)
        informer.revision = 999_999_999
        task = asyncio.create_task(informer.run())
        await eventually_async(lambda: informer.get("restored", "default"), within_s=5)
        assert informer.revision < 999_999_999
        task.cancel()

    run(data_dir, test)


def test_one_leads_at_a_time_and_the_next_takes_over(data_dir):
    async def test(client):
        leading, history = set(), []

        def work(identity):
            async def lead():
                leading.add(identity)
                history.append(identity)
                assert len(leading) == 1
                try:
                    await asyncio.Event().wait()
                finally:
                    leading.discard(identity)

            return lead

        def elector(identity):
            options = ElectionOptions(
                "test",
                identity,
                "default",
                lease_duration_s=1,
                renew_deadline_s=0.7,
                retry_period_s=0.1,
            )
            return LeaderElector(client.leases, options)

        first = asyncio.create_task(elector("first").run(work("first")))
        await eventually_async(lambda: leading == {"first"})
        second = asyncio.create_task(elector("second").run(work("second")))
        await client.leases.get("test", "default")
        first.cancel()
        await eventually_async(lambda: leading == {"second"})
        assert history == ["first", "second"]
        # Another holder appears: the leader notices and stops.
        lease = {"spec": {"holderIdentity": "intruder"}}
        await client.leases.patch("test", lease, "default")
        await eventually_async(lambda: not leading)
        ended = await asyncio.gather(first, second, return_exceptions=True)
        assert isinstance(ended[1], LeadershipLostError)

    run(data_dir, test)


def test_repeated_events_become_a_series(data_dir):
    async def test(client):
        subject = await client.config_maps.create(entry("subject"))
        recorder = EventRecorder(client, controller="podraft/test", instance="test")
        for _ in range(3):
            recorder.record(subject, "Warning", "Broken", "it is broken")
        recorder.record(subject, "Normal", "Fine", "it is fine")
        await recorder.flush(final=True)
        recorder.record(subject, "Warning", "Broken", "it is broken")
        await recorder.flush(final=True)
        found = (
            await client.resource(EVENT).list("default", field_selector="regarding.name=subject")
        ).items
        assert sorted((e.reason, e.series.count) for e in found) == [("Broken", 4), ("Fine", 0)]
        assert {e.regarding.uid for e in found} == {subject.metadata.uid}

    run(data_dir, test)


def test_a_flood_of_events_is_bounded(data_dir):
    async def test(client):
        subject = await client.config_maps.create(entry("flooded"))
        recorder = EventRecorder(client, controller="podraft/test", instance="test")
        for number in range(500):
            recorder.record(subject, "Warning", "Broken", f"number {number}")
        await recorder.flush(final=True)
        found = await client.events.list("default", field_selector="regarding.name=flooded")
        assert len(found.items) == 25

    run(data_dir, test)
