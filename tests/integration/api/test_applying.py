"""Applying configurations and patches of every form, on a real server."""

import asyncio
import json

import grpc
import pytest

from local_cluster.server_process import running
from podraft.api import codec, kinds
from podraft.api.kinds import BUILT_IN, AnyKind
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    InvalidError,
    NotFoundError,
)
from support.api_objects import example


@pytest.fixture(scope="module")
def server():
    with running() as process:
        yield process


def on_server(server, scenario):
    async def main():
        async with Client(server.config()) as client:
            return await scenario(client)

    return asyncio.run(main())


def namespace_of(kind: AnyKind) -> str:
    return "default" if kind.namespaced else ""


def configuration(kind: AnyKind, name: str, **labels: str):
    """Return an example without what no configuration states."""
    obj = example(kind, name)
    if kind.has_status:
        obj.ClearField("status")
    obj.metadata.labels.update(labels)
    return obj


def labelled(kind: AnyKind, name: str, **labels: str):
    """Return a configuration that states labels only."""
    obj = kind.message()
    # The names of some kinds follow from what they are.
    obj.metadata.name = example(kind, name).metadata.name
    obj.metadata.namespace = namespace_of(kind)
    obj.metadata.labels.update(labels)
    return obj


def managers(obj):
    return [(entry.manager, entry.operation) for entry in obj.metadata.managed_fields]


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.resource)
def test_a_configuration_makes_an_object_changes_it_and_changes_nothing_again(server, kind):
    async def scenario(client):
        resource, namespace = client.resource(kind), namespace_of(kind)
        name = example(kind, "applied").metadata.name
        dry = await resource.apply(configuration(kind, "applied", a="1"), "me", dry_run=True)
        assert dry.metadata.labels["a"] == "1"
        with pytest.raises(NotFoundError):
            await resource.get(name, namespace)
        made = await resource.apply(configuration(kind, "applied", a="1", b="2"), "me")
        assert managers(made) == [("me", "Apply")]
        assert await resource.apply(configuration(kind, "applied", a="1", b="2"), "me") == made
        other = await resource.apply(labelled(kind, "applied", c="3"), "other")
        assert other.metadata.uid == made.metadata.uid
        changed = await resource.apply(configuration(kind, "applied", a="4"), "me")
        labels = dict(changed.metadata.labels)
        assert (labels["a"], labels.get("b"), labels["c"]) == ("4", None, "3")
        before = (await client.version()).resource_version
        with pytest.raises(ConflictError) as refused:
            await resource.apply(labelled(kind, "applied", a="5"), "other")
        assert [v.field for v in refused.value.violations] == ["metadata.labels[a]"]
        assert '"me"' in refused.value.violations[0].description
        forced = labelled(kind, "applied", a="5")
        dry = await resource.apply(forced, "other", force=True, dry_run=True)
        assert dry.metadata.labels["a"] == "5"
        assert (await client.version()).resource_version == before
        taken = await resource.apply(forced, "other", force=True)
        assert (taken.metadata.labels["a"], "c" in taken.metadata.labels) == ("5", False)
        with pytest.raises(AlreadyExistsError):
            await resource.apply(configuration(kind, "applied"), "me", only_create=True)
        await resource.delete(name, namespace)

    on_server(server, scenario)


def test_writes_that_name_a_manager_are_owned_and_others_cost_nothing(server):
    async def scenario(client):
        maps = client.config_maps
        plain = await maps.create(example(kinds.CONFIG_MAP, "plain"))
        plain = await maps.patch("plain", {"data": {"a": "1"}}, "default")
        assert managers(plain) == []
        named = await maps.create(example(kinds.CONFIG_MAP, "named"), field_manager="maker")
        assert managers(named) == [("maker", "Update")]
        patched = await maps.patch("named", {"data": {"a": "1"}}, "default")
        assert managers(patched) == [("maker", "Update"), ("admin", "Update")]
        patched = await maps.patch("named", {"data": {"a": "2"}}, "default", field_manager="x")
        assert managers(patched) == [("maker", "Update"), ("x", "Update")]
        stated = labelled(kinds.CONFIG_MAP, "named")
        stated.data["a"] = "3"
        with pytest.raises(ConflictError, match='"x"'):
            await maps.apply(stated, "me")
        # Who wrote what is the server's to say.
        patched.metadata.ClearField("managed_fields")
        patched.data["b"] = "1"
        updated = await maps.update(patched, field_manager="x")
        assert managers(updated) == [("maker", "Update"), ("x", "Update")]

    on_server(server, scenario)


def test_the_status_has_owners_of_its_own(server):
    async def scenario(client):
        pods = client.pods
        pod = configuration(kinds.POD, "statuses")
        pod.spec.node_name = ""
        await pods.apply(pod, "me")
        stated = labelled(kinds.POD, "statuses")
        stated.status.message = "from me"
        done = await pods.apply(stated, "agent", subresource="status")
        assert done.status.message == "from me"
        assert [e.subresource for e in done.metadata.managed_fields] == ["", "status"]
        assert (await pods.apply(pod, "me")).status.message == "from me"
        gone = await pods.apply(labelled(kinds.POD, "statuses"), "agent", subresource="status")
        assert not gone.status.HasField("message")
        await pods.delete("statuses", "default", grace_period_seconds=0)

    on_server(server, scenario)


def test_a_secret_whose_text_is_applied_owns_its_data(server):
    async def scenario(client):
        def secret(**texts):
            obj = labelled(kinds.SECRET, "texts")
            obj.string_data.update(texts)
            return obj

        made = await client.secrets.apply(secret(a="1", b="2"), "me")
        assert dict(made.data) == {"a": b"1", "b": b"2"}
        assert await client.secrets.apply(secret(a="1", b="2"), "me") == made
        assert dict((await client.secrets.apply(secret(a="3"), "me")).data) == {"a": b"3"}

    on_server(server, scenario)


def test_a_commit_applies_everything_or_nothing(server):
    async def scenario(client):
        def one(name, **labels):
            return writes.apply(labelled(kinds.CONFIG_MAP, name, **labels))

        await client.commit([one(f"c{n}", a="1") for n in range(20)], field_manager="me")
        await client.config_maps.patch("c7", {"metadata": {"labels": {"a": "2"}}}, "default")
        with pytest.raises(ConflictError) as refused:
            await client.commit([one(f"c{n}", a="3") for n in range(20)], field_manager="me")
        assert refused.value.violations[0].field == "writes[7].metadata.labels[a]"
        found = [(await client.config_maps.get(f"c{n}", "default")) for n in range(20)]
        assert [obj.metadata.labels["a"] for obj in found] == ["1"] * 7 + ["2"] + ["1"] * 12
        forced = [
            writes.apply(labelled(kinds.CONFIG_MAP, f"c{n}", a="3"), force=True) for n in (7, 20)
        ]
        response = await client.commit(forced, field_manager="me", dry_run=True)
        assert len(response.objects) == 2
        await client.commit(forced, field_manager="me")
        assert (await client.config_maps.get("c7", "default")).metadata.labels["a"] == "3"
        with pytest.raises(InvalidError, match="fieldManager"):
            await client.commit(forced)

    on_server(server, scenario)


@pytest.mark.parametrize(
    ("apply", "code", "field"),
    [
        (lambda m, o: m.apply(o, ""), "INVALID_ARGUMENT", "options.fieldManager"),
        (
            lambda m, o: m.apply(o, "x" * 129),
            "INVALID_ARGUMENT",
            "options.fieldManager",
        ),
        (lambda m, o: m.apply(o, "a\nb"), "INVALID_ARGUMENT", "options.fieldManager"),
        (
            lambda m, o: m.apply(o, "me", subresource="status"),
            "INVALID_ARGUMENT",
            "subresource",
        ),
        (lambda m, o: m.apply(with_uid(o), "me"), "ABORTED", None),
        (lambda m, o: m.apply(nameless(o), "me"), "INVALID_ARGUMENT", "name"),
        (
            lambda m, o: m.apply(owning(o), "me"),
            "INVALID_ARGUMENT",
            "metadata.managedFields",
        ),
        (lambda m, o: m.apply(absent(o), "me"), "NOT_FOUND", None),
    ],
)
def test_what_cannot_be_applied_is_refused_with_its_field(server, apply, code, field):
    async def scenario(client):
        obj = labelled(kinds.CONFIG_MAP, "refused")
        if not await exists(client, "refused"):
            await client.config_maps.create(obj)
        before = (await client.version()).resource_version
        with pytest.raises(ApiError) as refused:
            await apply(client.config_maps, obj)
        assert refused.value.code is grpc.StatusCode[code]
        if field is not None:
            assert [v.field for v in refused.value.violations] == [field]
        assert (await client.version()).resource_version == before

    on_server(server, scenario)


async def exists(client, name):
    try:
        return bool(await client.config_maps.get(name, "default"))
    except NotFoundError:
        return False


def with_uid(obj):
    obj.metadata.uid = "another"
    return obj


def nameless(obj):
    obj.metadata.ClearField("name")
    return obj


def owning(obj):
    obj.metadata.managed_fields.add(manager="me")
    return obj


def absent(obj):
    obj.metadata.name, obj.metadata.uid = "absent", "one"
    return obj


def test_patches_of_every_form_change_what_they_name(server):
    async def scenario(client):
        made = configuration(kinds.DEPLOYMENT, "forms", x="y")
        name = made.spec.template.spec.containers[0].name
        await client.deployments.create(made)
        containers = [{"name": name, "env": [{"name": "X", "value": "1"}]}]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        image = made.spec.template.spec.containers[0].image
        done = await client.deployments.patch(
            "forms", patch, "default", form="strategic_merge_patch"
        )
        container = done.spec.template.spec.containers[0]
        assert (container.image, container.env[0].value) == (image, "1")
        operations = [
            {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": name},
            {"op": "add", "path": "/metadata/labels/a~1b", "value": "c"},
            {"op": "replace", "path": "/spec/replicas", "value": 0},
        ]
        with pytest.raises(InvalidError) as refused:
            await client.deployments.patch(
                "forms",
                [*operations, {"op": "remove", "path": "/spec/x"}],
                "default",
                form="json_patch",
            )
        assert refused.value.violations[0].field == "jsonPatch[3].path"
        done = await client.deployments.patch("forms", operations, "default", form="json_patch")
        assert (done.metadata.labels["a/b"], done.spec.replicas) == ("c", 0)
        body = json.dumps({"spec": {"$patch": "never"}}).encode()
        with pytest.raises(InvalidError) as refused:
            await client.deployments.patch("forms", body, "default", form="strategic_merge_patch")
        assert refused.value.violations[0].field == "spec.$patch"

    on_server(server, scenario)


def test_what_controllers_write_is_not_in_the_way_of_who_applies(server):
    async def scenario(client):
        obj = configuration(kinds.DEPLOYMENT, "scaled")
        await client.deployments.apply(obj, "me")
        await client.deployments.patch(
            "scaled", {"spec": {"replicas": 3}}, "default", field_manager="scaler"
        )
        del obj.spec.template.spec.containers[0].env[:]
        obj.spec.ClearField("replicas")
        done = await client.deployments.apply(obj, "me")
        assert done.spec.replicas == 3
        assert ("scaler", "Update") in managers(done)
        shown = codec.to_json(done)["metadata"]["managedFields"]
        assert {"f:replicas": {}} in [one["fieldsV1"].get("f:spec") for one in shown]

    on_server(server, scenario)
