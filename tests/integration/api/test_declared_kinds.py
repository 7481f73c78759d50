"""Kinds that users declare: their objects are what a schema says, and end with the definition."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from local_cluster.server_process import ServerProcess
from podraft.api import codec, kinds
from podraft.api.declared import kind_of
from podraft.client.calls.client import Client
from podraft.client.connecting.config import load
from podraft.client.errors import ApiError, InvalidError, NotFoundError
from podraft.server.controllers.app import run
from podraft.server.controllers.core.controller import ControllerOptions
from support.waiting import eventually_async

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["schedule"],
            "properties": {
                "schedule": {"type": "string", "pattern": r"^(\S+ ){4}\S+$"},
                "replicas": {"type": "integer", "minimum": 1, "default": 2},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {"type": "object", "properties": {"ready": {"type": "integer"}}},
        "note": {"type": "string"},
    },
}
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "crontabs.stable.example.com"},
    "spec": {
        "group": "stable.example.com",
        "scope": "Namespaced",
        "names": {"plural": "crontabs", "kind": "CronTab", "shortNames": ["ct"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": SCHEMA},
                "subresources": {"status": {}},
            }
        ],
    },
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server") / "data", components="api") as server:
        yield server.data_dir


@contextlib.asynccontextmanager
async def controllers(data_dir):
    """Run the controllers meanwhile."""
    config = load(data_dir / "controllers.conf")
    task = asyncio.create_task(run(config, kinds.BUILT_IN, ControllerOptions(identity="test")))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def definition(name: str) -> Any:
    value: Any = codec.from_json(DEFINITION)
    value.metadata.name = f"{name}s.stable.example.com"
    value.spec.names.plural, value.spec.names.kind = f"{name}s", name.capitalize()
    value.spec.names.ClearField("short_names")
    return value


def an_object(kind: kinds.AnyKind, **parts: Any) -> Any:
    known = kinds.Registry(kinds.BUILT_IN)
    known.add(kind)
    manifest = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {"name": "one", "namespace": "default"},
        "spec": {"schedule": "* * * * *"},
    }
    return codec.from_json(manifest | parts, known)


async def declared(client: Client, name: str) -> kinds.AnyKind:
    """Declare a kind, and wait until it is known."""
    kind = kind_of(await client.custom_resource_definitions.create(definition(name)))

    async def known():
        try:
            return [await client.resource(kind).list()]
        except ApiError:
            return None

    await eventually_async(known)
    return kind


def together(data_dir, scenario):
    async def main():
        async with Client(load(data_dir / "admin.conf")) as client:
            await scenario(client)

    asyncio.run(main())


def content(obj: Any) -> dict[str, Any]:
    value = codec.to_json(obj)
    value.pop("metadata")
    return value


def test_an_object_is_completed_pruned_and_checked_by_its_schema(data_dir):
    async def scenario(client):
        kind = await declared(client, "widget")
        resource = client.resource(kind)
        spec = {"schedule": "* * * * *", "unknown": 1, "free": {"any": [1, None]}}
        made = await resource.create(
            an_object(kind, spec=spec, status={"ready": 3}, note="a", other="b")
        )
        kept = {"schedule": "* * * * *", "free": {"any": [1, None]}, "replicas": 2}
        assert content(made) == {"spec": kept, "note": "a"}
        assert await resource.get("one", "default") == made
        for parts, field in (
            ({"spec": {}}, "spec.schedule"),
            ({"spec": {"schedule": "daily"}}, "spec.schedule"),
            ({"spec": {"schedule": "* * * * *", "replicas": 0}}, "spec.replicas"),
            ({"note": 5}, "note"),
        ):
            obj = an_object(kind, **parts)
            obj.metadata.name = "two"
            with pytest.raises(InvalidError, match=field):
                await resource.create(obj)
        with pytest.raises(NotFoundError):
            await resource.get("two", "default")

    together(data_dir, scenario)


def test_the_status_is_written_apart_and_the_spec_counts_generations(data_dir):
    async def scenario(client):
        kind = await declared(client, "gadget")
        resource = client.resource(kind)
        await resource.create(an_object(kind))
        changed = await resource.patch("one", {"spec": {"replicas": 5}}, "default")
        assert changed.metadata.generation == 2
        changed = an_object(kind, status={"ready": 1, "unknown": 2})
        stated = await resource.update_status(changed)
        assert content(stated) == {
            "spec": {"schedule": "* * * * *", "replicas": 5}, "status": {"ready": 1}
        }  # fmt: skip
        assert stated.metadata.generation == 2
        with pytest.raises(InvalidError, match=r"status\.ready"):
            await resource.update_status(an_object(kind, status={"ready": "yes"}))

    together(data_dir, scenario)


def test_a_changed_schema_holds_for_later_writes(data_dir):
    async def scenario(client):
        kind = await declared(client, "thing")
        await client.resource(kind).create(an_object(kind))
        patch = codec.to_json(definition("thing"))["spec"]["versions"]
        patch[0]["schema"]["openAPIV3Schema"]["properties"]["note"]["maxLength"] = 1
        await client.custom_resource_definitions.patch(
            "things.stable.example.com", {"spec": {"versions": patch}}
        )

        async def refused():
            try:
                await client.resource(kind).patch("one", {"note": "long"}, "default")
            except InvalidError as error:
                return str(error)
            except ApiError:
                return None

        assert "at most 1 characters" in await eventually_async(refused)
        assert content(await client.resource(kind).patch("one", {"note": "x"}, "default"))["note"]

    together(data_dir, scenario)


def test_no_two_kinds_of_a_group_share_a_name(data_dir):
    async def scenario(client):
        await declared(client, "shared")
        other = definition("other")
        other.spec.names.short_names.append("shareds")
        with pytest.raises(InvalidError, match="shortNames"):
            await client.custom_resource_definitions.create(other)

    together(data_dir, scenario)


def test_objects_go_with_their_definition_and_with_their_namespace(data_dir):
    async def scenario(client):
        async with controllers(data_dir):
            kind = await declared(client, "ending")
            resource = client.resource(kind)
            namespace = kinds.NAMESPACE.message()
            namespace.metadata.name = "apart"
            await client.namespaces.create(namespace)
            await resource.create(an_object(kind))
            await resource.create(an_object(kind, metadata={"name": "one", "namespace": "apart"}))
            await client.namespaces.delete("apart")

            async def empty():
                return [one.metadata.namespace for one in (await resource.list()).items] == [
                    "default"
                ]

            await eventually_async(empty, within_s=30)
            await client.custom_resource_definitions.delete("endings.stable.example.com")

            async def gone():
                try:
                    await client.custom_resource_definitions.get("endings.stable.example.com")
                except NotFoundError:
                    return True
                return False

            await eventually_async(gone, within_s=30)
            again = await declared(client, "ending")
            assert not (await client.resource(again).list()).items

    together(data_dir, scenario)
