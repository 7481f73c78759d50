"""Every kind has every verb, and they mean the same for all of them."""

import asyncio

import pytest

from local_cluster.server_process import running
from podraft.api import kinds
from podraft.api.kinds import BUILT_IN, AnyKind
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.errors import (
    AlreadyExistsError,
    ConflictError,
    FailedPreconditionError,
    InvalidError,
    NotFoundError,
)
from support.api_objects import example, name_of


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


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.resource)
def test_an_object_lives_from_create_to_delete(server, kind):
    async def scenario(client):
        resource, namespace = client.resource(kind), namespace_of(kind)
        name = name_of(kind, "life")
        created = await resource.create(example(kind, "life"))
        assert created.metadata.uid
        assert created.metadata.resource_version
        assert created.metadata.HasField("creation_timestamp")
        assert await resource.get(name, namespace) == created
        listed = await resource.list(namespace)
        assert created in list(listed.items)
        assert int(listed.resource_version) >= int(created.metadata.resource_version)

        changed = kind.message()
        changed.CopyFrom(created)
        changed.metadata.labels["tier"] = "front"
        updated = await resource.update(changed)
        assert updated.metadata.labels["tier"] == "front"
        assert int(updated.metadata.resource_version) > int(created.metadata.resource_version)

        patched = await resource.patch(name, {"metadata": {"labels": {"tier": None}}}, namespace)
        assert "tier" not in patched.metadata.labels
        assert patched.metadata.uid == created.metadata.uid

        deleted = await resource.delete(name, namespace)
        assert deleted.metadata.uid == created.metadata.uid
        # Their controllers have to empty them first.
        if kind not in (kinds.NAMESPACE, kinds.CUSTOM_RESOURCE_DEFINITION):
            with pytest.raises(NotFoundError, match="life"):
                await resource.get(name, namespace)

    on_server(server, scenario)


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.resource)
def test_what_changes_nothing_writes_nothing(server, kind):
    async def scenario(client):
        resource, namespace = client.resource(kind), namespace_of(kind)
        name = name_of(kind, "same")
        created = await resource.create(example(kind, "same"))
        before = (await client.version()).resource_version
        assert await resource.update(created) == created
        assert await resource.patch(name, {}, namespace) == created
        if kind.has_status:
            assert await resource.update_status(created) == created
        assert (await client.version()).resource_version == before

    on_server(server, scenario)


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.resource)
def test_a_dry_run_answers_as_if_and_stores_nothing(server, kind):
    async def scenario(client):
        resource, namespace = client.resource(kind), namespace_of(kind)
        name = name_of(kind, "dry")
        created = await resource.create(example(kind, "dry"))
        before = (await client.version()).resource_version
        other = await resource.create(example(kind, "dry2"), dry_run=True)
        assert other.metadata.name == name_of(kind, "dry2")
        patch = {"metadata": {"labels": {"a": "b"}}}
        patched = await resource.patch(name, patch, namespace, dry_run=True)
        assert patched.metadata.labels["a"] == "b"
        await resource.delete(name, namespace, dry_run=True)
        assert await resource.get(name, namespace) == created
        with pytest.raises(NotFoundError):
            await resource.get(name_of(kind, "dry2"), namespace)
        with pytest.raises(AlreadyExistsError):
            await resource.create(example(kind, "dry"), dry_run=True)
        assert (await client.version()).resource_version == before

    on_server(server, scenario)


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.resource)
def test_preconditions_that_do_not_hold_abort(server, kind):
    async def scenario(client):
        resource, namespace = client.resource(kind), namespace_of(kind)
        name = name_of(kind, "cond")
        old = await resource.create(example(kind, "cond"))
        patch = {"metadata": {"labels": {"a": "b"}}}
        new = await resource.patch(name, patch, namespace)
        stale, foreign = old.metadata.resource_version, "0000-other"
        with pytest.raises(ConflictError, match="resourceVersion"):
            await resource.update(old)
        with pytest.raises(ConflictError, match="resourceVersion"):
            await resource.patch(name, {}, namespace, resource_version=stale)
        with pytest.raises(ConflictError, match="uid"):
            await resource.patch(name, {}, namespace, uid=foreign)
        with pytest.raises(ConflictError, match="resourceVersion"):
            await resource.delete(name, namespace, resource_version=stale)
        with pytest.raises(ConflictError, match="uid"):
            await resource.delete(name, namespace, uid=foreign)
        assert await resource.get(name, namespace) == new
        with pytest.raises(AlreadyExistsError, match="cond"):
            await resource.create(example(kind, "cond"))

    on_server(server, scenario)


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.resource)
def test_what_is_absent_is_not_found(server, kind):
    async def scenario(client):
        resource, namespace = client.resource(kind), namespace_of(kind)
        name = name_of(kind, "absent")
        for call in (
            resource.get(name, namespace),
            resource.update(example(kind, "absent")),
            resource.patch(name, {}, namespace),
            resource.delete(name, namespace),
        ):
            with pytest.raises(NotFoundError, match="absent"):
                await call

    on_server(server, scenario)


def test_an_update_without_revision_replaces_whatever_is_there(server):
    async def scenario(client):
        mine = await client.config_maps.create(example(kinds.CONFIG_MAP, "last"))
        await client.config_maps.patch("last", {"data": {"color": "red"}}, "default")
        mine.metadata.ClearField("resource_version")
        mine.data["color"] = "green"
        assert (await client.config_maps.update(mine)).data["color"] == "green"

    on_server(server, scenario)


def test_concurrent_patches_of_one_object_all_take_effect(server):
    async def scenario(client):
        await client.config_maps.create(example(kinds.CONFIG_MAP, "hot"))
        patches = [{"data": {f"k{number}": "v"}} for number in range(60)]
        await asyncio.gather(
            *(client.config_maps.patch("hot", patch, "default") for patch in patches)
        )
        stored = await client.config_maps.get("hot", "default")
        assert set(stored.data) == {"color", *(f"k{number}" for number in range(60))}

    on_server(server, scenario)


def test_generated_names_differ(server):
    async def scenario(client):
        objects = []
        for _ in range(20):
            proposed = example(kinds.CONFIG_MAP, "")
            proposed.metadata.ClearField("name")
            proposed.metadata.generate_name = "gen-"
            objects.append(await client.config_maps.create(proposed))
        names = {created.metadata.name for created in objects}
        assert len(names) == 20
        assert all(name.startswith("gen-") for name in names)

    on_server(server, scenario)


def test_status_and_the_rest_are_written_apart(server):
    async def scenario(client):
        pod = await client.pods.create(example(kinds.POD, "parts"))
        pod.status.phase = "Running"
        pod.metadata.labels["a"] = "b"
        after = await client.pods.update_status(pod)
        assert after.status.phase == "Running"
        assert "a" not in after.metadata.labels
        after.status.phase = "Failed"
        after.metadata.labels["a"] = "b"
        last = await client.pods.update(after)
        assert last.status.phase == "Running"
        assert last.metadata.labels["a"] == "b"

    on_server(server, scenario)


def test_a_decision_about_a_certificate_stays_whoever_writes(server):
    async def scenario(client):
        requests = client.certificate_signing_requests
        await requests.create(example(kinds.CERTIFICATE_SIGNING_REQUEST, "decided"))
        approved = {"status": {"conditions": [{"type": "Approved", "status": "True"}]}}
        await requests.patch("decided", approved, subresource="status")
        denied = {"status": {"conditions": [{"type": "Denied", "status": "True"}]}}
        with pytest.raises(InvalidError, match="must keep Approved"):
            await requests.patch("decided", denied, subresource="status")
        found = await requests.get("decided")
        assert [one.type for one in found.status.conditions] == ["Approved"]

    on_server(server, scenario)


def test_a_namespace_must_be_there_and_stay(server):
    async def scenario(client):
        with pytest.raises(NotFoundError, match='namespaces "nowhere"'):
            await client.config_maps.create(example(kinds.CONFIG_MAP, "a", "nowhere"))
        await client.namespaces.create(example(kinds.NAMESPACE, "going"))
        await client.config_maps.create(example(kinds.CONFIG_MAP, "a", "going"))
        going = await client.namespaces.delete("going")
        assert going.metadata.HasField("deletion_timestamp")
        with pytest.raises(FailedPreconditionError, match="being deleted"):
            await client.config_maps.create(example(kinds.CONFIG_MAP, "b", "going"))
        await client.config_maps.delete("a", "going")

    on_server(server, scenario)


def test_finalizers_hold_an_object_until_the_last_one_goes(server):
    async def scenario(client):
        proposed = example(kinds.CONFIG_MAP, "held")
        proposed.metadata.finalizers.append("example.com/hold")
        await client.config_maps.create(proposed)
        marked = await client.config_maps.delete("held", "default")
        assert marked.metadata.HasField("deletion_timestamp")
        assert await client.config_maps.get("held", "default") == marked
        await client.config_maps.patch("held", {"metadata": {"finalizers": None}}, "default")
        with pytest.raises(NotFoundError):
            await client.config_maps.get("held", "default")

    on_server(server, scenario)


def test_services_never_share_addresses(server):
    async def scenario(client):
        async def create(number):
            service = example(kinds.SERVICE, f"svc-{number}")
            service.spec.type = "NodePort"
            return await client.services.create(service)

        services = await asyncio.gather(*(create(number) for number in range(30)))
        assert len({service.spec.cluster_ip for service in services}) == 30
        assert len({service.spec.ports[0].node_port for service in services}) == 30
        taken = example(kinds.SERVICE, "thief")
        taken.spec.cluster_ip = services[0].spec.cluster_ip
        with pytest.raises(InvalidError) as refused:
            await client.services.create(taken)
        assert refused.value.violations[0].field == "spec.clusterIP"
        await client.services.delete("svc-0", "default")
        assert (await client.services.create(taken)).spec.cluster_ip == taken.spec.cluster_ip

    on_server(server, scenario)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda c: c.pods.get("", "default"), "name"),
        (lambda c: c.pods.get("x", ""), "namespace"),
        (lambda c: c.nodes.get("x", "default"), "namespace"),
        (lambda c: c.pods.list(limit=-1), "limit"),
        (lambda c: c.pods.list(continue_token="nonsense!"), "continueToken"),
        (lambda c: c.pods.list(label_selector="=,"), "labelSelector"),
        (lambda c: c.pods.list(field_selector="spec.color=blue"), "fieldSelector"),
        (lambda c: c.config_maps.patch("patched", b"{", "default"), ""),
        (lambda c: c.config_maps.patch("patched", {"dta": {}}, "default"), "dta"),
        (lambda c: c.config_maps.patch("patched", {}, "default", subresource="x"), "subresource"),
        (lambda c: c.config_maps.patch("patched", {"metadata": {"name": "z"}}, "default"),
         "metadata.name"),
    ],
)  # fmt: skip
def test_bad_requests_name_the_field(server, call, field):
    async def scenario(client):
        await client.config_maps.create(example(kinds.CONFIG_MAP, "patched"))
        try:
            with pytest.raises(InvalidError) as refused:
                await call(client)
        finally:
            await client.config_maps.delete("patched", "default")
        assert [violation.field for violation in refused.value.violations] == [field]

    on_server(server, scenario)


def test_an_object_that_is_too_large_is_refused(server):
    async def scenario(client):
        proposed = example(kinds.CONFIG_MAP, "large")
        proposed.data["big"] = "x" * (1600 * 1024)
        with pytest.raises(InvalidError, match="bytes"):
            await client.config_maps.create(proposed)
        with pytest.raises(NotFoundError):
            await client.config_maps.get("large", "default")

    on_server(server, scenario)


def test_a_commit_that_is_too_large_is_refused_before_it_is_sent(server):
    async def scenario(client):
        made = []
        for number in range(9):
            proposed = example(kinds.CONFIG_MAP, f"large-{number}")
            proposed.data["big"] = "x" * (1000 * 1024)
            made.append(writes.create(proposed))
        with pytest.raises(InvalidError, match="the API server takes at most 8,388,608"):
            await client.commit(made)
        with pytest.raises(NotFoundError):
            await client.config_maps.get("large-0", "default")
        await client.commit(made[:8])
        for number in range(8):
            await client.config_maps.delete(f"large-{number}", "default")

    on_server(server, scenario)
