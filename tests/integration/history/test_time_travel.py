"""What was, as administrators see it: equal to what watchers saw, without Secrets' values."""

import asyncio
import random

import pytest

from local_cluster.server_process import running
from podraft.api import kinds
from podraft.api.core.v1 import config_pb2
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.errors import (
    ApiError,
    CompactedError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from support.api_objects import example

SECRET_VALUES = (b"first-secret-value", b"second-secret-value", b"third-secret-value")


@pytest.fixture(scope="module")
def server():
    with running() as process:
        yield process


def on_server(server, scenario, component="admin"):
    async def main():
        async with Client(server.config(component)) as client:
            return await scenario(client)

    return asyncio.run(main())


def test_an_object_at_a_revision_is_what_a_watcher_saw_there(server):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    names = [f"walk-{n}" for n in range(4)]

    async def scenario(client):
        present = set()
        start = (await client.version()).resource_version
        for number in range(60):
            name = chance.choice(names)
            config = example(kinds.CONFIG_MAP, name)
            config.data["n"] = str(number)
            if name not in present:
                await client.config_maps.create(config)
                present.add(name)
            elif chance.random() < 0.3:
                await client.config_maps.delete(name, "default")
                present.remove(name)
            else:
                await client.config_maps.update(config)
        end = int((await client.version()).resource_version)
        state, seen = {}, {}
        async for batch in client.config_maps.watch("default", resource_version=start):
            for event in batch:
                revision = int(event.object.metadata.resource_version)
                if event.type == 3:
                    state.pop(event.object.metadata.name, None)
                elif event.type in (1, 2):
                    state[event.object.metadata.name] = event.object
                seen[revision] = dict(state)
            if max(seen, default=0) >= end:
                break
        assert len(seen) >= 60
        for revision, expected in seen.items():
            listed = await client.config_maps.list("default", at=str(revision))
            found = {o.metadata.name: o for o in listed.items if o.metadata.name in names}
            assert found == expected
            assert listed.resource_version == str(revision)
            name = chance.choice(names)
            if name in expected:
                assert (
                    await client.config_maps.get(name, "default", at=str(revision))
                    == (expected[name])
                )
            else:
                with pytest.raises(NotFoundError):
                    await client.config_maps.get(name, "default", at=str(revision))
        for name in names:
            history = await client.object_history(kinds.CONFIG_MAP, name, "default", limit=500)
            for version in history.versions:
                assert version.user == "admin"
                assert version.object == seen[version.revision].get(name)

    on_server(server, scenario)


def test_pages_of_a_history_are_the_whole_history(server):
    async def scenario(client):
        await client.config_maps.create(example(kinds.CONFIG_MAP, "paged"))
        for number in range(9):
            await client.config_maps.patch("paged", {"data": {"n": str(number)}}, "default")
        whole = await client.object_history(kinds.CONFIG_MAP, "paged", "default")
        assert [v.operation for v in whole.versions] == ["updated"] * 9 + ["created"]
        before, pages = 0, []
        while True:
            page = await client.object_history(
                kinds.CONFIG_MAP, "paged", "default", limit=3, before_revision=before
            )
            pages += page.versions
            if not page.more:
                break
            before = page.versions[-1].revision
        assert pages == list(whole.versions)

    on_server(server, scenario)


def test_a_revision_tells_all_that_its_commit_changed(server):
    async def scenario(client):
        await client.config_maps.create(example(kinds.CONFIG_MAP, "stays"))
        await client.config_maps.create(example(kinds.CONFIG_MAP, "goes"))
        response = await client.commit(
            [
                writes.create(example(kinds.CONFIG_MAP, "comes")),
                writes.patch(kinds.CONFIG_MAP, "stays", {"data": {"a": "b"}}, "default"),
                writes.delete(kinds.CONFIG_MAP, "goes", "default"),
            ]
        )
        told = await client.history.revision(int(response.resource_version))
        assert told.user == "admin"
        assert [(c.operation, (c.after or c.before).metadata.name) for c in told.changes] == [
            ("created", "comes"),
            ("deleted", "goes"),
            ("updated", "stays"),
        ]
        assert told.changes[2].before.data.get("a") is None
        assert told.changes[2].after.data["a"] == "b"

    on_server(server, scenario)


def secret(value):
    made = config_pb2.Secret(data={"password": value, "same": b"constant"})
    made.metadata.name, made.metadata.namespace = "rotated", "default"
    made.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"] = value.decode()
    return made


def test_former_values_of_secrets_never_come_back(server):
    async def scenario(client):
        revisions = [
            int((await client.secrets.create(secret(SECRET_VALUES[0]))).metadata.resource_version)
        ]
        for value in SECRET_VALUES[1:]:
            updated = await client.secrets.update(secret(value))
            revisions.append(int(updated.metadata.resource_version))

        async def all_answers():
            """Everything that looks back; former values may be in none of it."""
            history = await client.object_history(kinds.SECRET, "rotated", "default")
            yield repr(history)
            for revision in revisions:
                yield repr(await client.history.revision(revision))
                hidden = client.at(str(revision), hash_secret_values=True)
                yield repr(await hidden.secrets.list("default"))
                yield repr(await hidden.secrets.get("rotated", "default"))
                for call in (
                    client.secrets.get("rotated", "default", at=str(revision)),
                    client.secrets.list("default", at=str(revision)),
                ):
                    try:
                        yield repr(await call)
                    except ForbiddenError as error:
                        yield error.message

        answers = [answer async for answer in all_answers()]
        assert not [a for a in answers if "first-secret" in a or "second-secret" in a]
        assert any("values have changed since" in a for a in answers)
        current = await client.secrets.get("rotated", "default", at=str(revisions[-1]))
        assert current.data["password"] == SECRET_VALUES[2]
        hidden = client.at("", hash_secret_values=True)
        assert (await hidden.secrets.get("rotated", "default")).data["password"].startswith(b"hmac")
        await client.secrets.delete("rotated", "default")
        answers = [answer async for answer in all_answers() if "-secret-value" in answer]
        assert answers == []

    on_server(server, scenario)


def test_a_later_page_shows_no_former_values_either(server):
    async def scenario(client):
        for name in ("page-a", "page-b"):
            made = config_pb2.Secret(data={"k": b"old"})
            made.metadata.name, made.metadata.namespace = name, "default"
            await client.secrets.create(made)
        first = await client.secrets.list("default", limit=1)
        await client.secrets.patch("page-b", {"data": {"k": "bmV3"}}, "default")
        with pytest.raises(ForbiddenError):
            await client.secrets.list("default", continue_token=first.continue_token)

    on_server(server, scenario)


@pytest.mark.parametrize("component", ["controllers", "scheduler"])
def test_only_administrators_look_back(server, component):
    async def scenario(client):
        for call in (
            client.pods.list(at="1"),
            client.pods.get("x", "default", at="1m"),
            client.history.resolve("1"),
            client.history.revision(1),
            client.object_history(kinds.POD, "x", "default"),
            client.at("", hash_secret_values=True).pods.list(),
        ):
            with pytest.raises(ForbiddenError, match=r"may not (get|list) history"):
                await call

    on_server(server, scenario, component)


@pytest.mark.parametrize(
    ("at", "error", "words"),
    [
        ("999999", CompactedError, "is in the future: the newest is"),
        ("2099-01-01T00:00:00Z", CompactedError, "is in the future: the server's time is"),
        ("2001-01-01T00:00:00Z", CompactedError, "the oldest is revision 1 of 2"),
        ("9d", CompactedError, "is older than what is kept"),
        ("0", CompactedError, "is older than what is kept"),
        ("yesterday", InvalidError, "expected a revision"),
        ("-5m", InvalidError, "expected a revision"),
        ("1" * 60, InvalidError, "expected a revision"),
    ],
)
def test_moments_that_cannot_be_read_are_refused_precisely(server, at, error, words):
    async def scenario(client):
        with pytest.raises(ApiError, match=words) as caught:
            await client.config_maps.list("default", at=at)
        assert isinstance(caught.value, error)

    on_server(server, scenario)


def test_a_moment_means_the_newest_revision_before_it(server):
    async def scenario(client):
        made = await client.config_maps.create(example(kinds.CONFIG_MAP, "timed"))
        revision = int(made.metadata.resource_version)
        moment = await client.history.resolve(str(revision))
        later = await client.history.resolve(moment.time.isoformat().replace("+00:00", "Z"))
        assert later.revision >= revision
        assert (await client.history.resolve("0s")).revision >= revision
        assert moment.oldest_revision == 1
        assert moment.keep_seconds == 24 * 3600

    on_server(server, scenario)
