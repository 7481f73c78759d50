"""Calls beyond those of one object: collections, scales, evictions, and warnings.

Collections are deleted in one call: only what matches, and what was there when it began.
"""

import asyncio

import pytest

from local_cluster.server_process import running
from podraft.api import kinds
from podraft.api.kinds import BUILT_IN
from podraft.api.meta.v1 import requests_pb2
from podraft.api.support import unsupported_fields
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError, ConflictError, InvalidError, OverloadedError
from podraft.server.controllers.core.objects import selector_of
from support.api_objects import example

# A definition's controller first has to delete its objects.
WAITING = (kinds.CUSTOM_RESOURCE_DEFINITION,)
DELETABLE = [k for k in BUILT_IN if "deletecollection" in k.verbs and k not in WAITING]


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


async def names(client, namespace):
    return [item.metadata.name for item in (await client.config_maps.list(namespace)).items]


@pytest.mark.parametrize("kind", DELETABLE, ids=lambda kind: kind.resource)
def test_what_matches_is_deleted_and_named(server, kind):
    async def scenario(client):
        resource = client.resource(kind)
        namespace = "default" if kind.namespaced else ""
        made = [
            await resource.create(example(kind, name, labels={"run": run}))
            for name, run in (("outa", "out"), ("outb", "out"), ("stays", "not"))
        ]
        tried = await resource.delete_collection(namespace, label_selector="run=out", dry_run=True)
        done = await resource.delete_collection(namespace, label_selector="run=out")
        expected = [(one.metadata.name, one.metadata.uid, namespace) for one in made[:2]]
        for answer in (tried, done):
            assert [(one.name, one.uid, one.namespace) for one in answer.objects] == expected
            assert not any(one.ends_later for one in answer.objects)
            assert not answer.more
        assert not tried.resource_version
        assert int(done.resource_version) > int(made[-1].metadata.resource_version)
        left = await resource.list(namespace, label_selector="run in (out, not)")
        assert [item.metadata.name for item in left.items] == ["stays"]
        none = await resource.delete_collection(namespace, label_selector="run=out")
        assert not none.objects
        await resource.delete("stays", namespace)

    on_server(server, scenario)


def test_objects_that_come_while_a_large_collection_is_deleted_stay(server):
    async def scenario(client):
        space = await new_namespace(client, "large")
        for start in range(0, 1200, 400):
            made = [
                writes.create(example(kinds.CONFIG_MAP, f"m{number:04}", space))
                for number in range(start, start + 400)
            ]
            await client.commit(made, omit_objects=True)
        deleting = asyncio.ensure_future(client.config_maps.delete_collection(space))
        new, vanished = [], []
        while not deleting.done():
            new.append(f"z{len(new):03}")
            await client.config_maps.create(example(kinds.CONFIG_MAP, new[-1], space))
            # Somebody else deletes some of them, too, from the end.
            name = f"m{1199 - len(vanished):04}"
            try:
                await client.config_maps.delete(name, space)
                vanished.append(name)
            except ApiError:
                break
        done = await deleting
        gone = [one.name for one in done.objects]
        assert sorted(gone + vanished) == sorted({*gone, *vanished})
        assert {f"m{n:04}" for n in range(1200)} <= {*gone, *vanished}
        # The first may have come before the call had begun.
        left = await names(client, space)
        assert [name for name in left if name.startswith("m")] == []
        assert set(new) - set(gone) == set(left)
        await client.config_maps.create(example(kinds.CONFIG_MAP, "last", space))
        assert len(gone) >= 1200 - len(vanished)

    on_server(server, scenario)


def test_finalizers_and_the_policy_of_dependents_hold_for_each_object(server):
    async def scenario(client):
        space = await new_namespace(client, "held")
        held = example(kinds.CONFIG_MAP, "held", space)
        held.metadata.finalizers.append("example.com/wait")
        await client.config_maps.create(held)
        await client.config_maps.create(example(kinds.CONFIG_MAP, "free", space))
        orphan = requests_pb2.PROPAGATION_POLICY_ORPHAN
        done = await client.config_maps.delete_collection(space, propagation=orphan)
        assert [(one.name, one.ends_later) for one in done.objects] == [
            ("free", True),
            ("held", True),
        ]
        found = {item.metadata.name: item for item in (await client.config_maps.list(space)).items}
        assert list(found["held"].metadata.finalizers) == ["example.com/wait", "orphan"]
        assert list(found["free"].metadata.finalizers) == ["orphan"]
        for name in found:
            await client.config_maps.patch(name, {"metadata": {"finalizers": None}}, space)
        assert await names(client, space) == []

    on_server(server, scenario)


def test_a_refusal_names_its_object_and_what_was_done_before(server):
    async def scenario(client):
        space = await new_namespace(client, "refused")
        made = [
            await client.config_maps.create(example(kinds.CONFIG_MAP, name, space))
            for name in ("a", "b", "c")
        ]
        request = requests_pb2.DeleteCollectionRequest(namespace=space)
        request.options.preconditions.uid = made[0].metadata.uid
        with pytest.raises(ConflictError, match=r'"b" in namespace "refused".*before it: 1'):
            await client._connection.call(
                kinds.CONFIG_MAP.method("DeleteCollection"),
                request,
                requests_pb2.DeleteCollectionResponse.FromString,
            )
        assert await names(client, space) == ["b", "c"]
        for bad in ({"label_selector": "a=b=c"}, {"field_selector": "no.such=x"}):
            with pytest.raises(InvalidError):
                await client.config_maps.delete_collection(space, **bad)
        with pytest.raises(InvalidError, match="gracePeriod"):
            await client.config_maps.delete_collection(space, grace_period_seconds=-1)
        assert await names(client, space) == ["b", "c"]

    on_server(server, scenario)


SCALABLE = [kind for kind in BUILT_IN if kind.scale is not None]


@pytest.mark.parametrize("kind", SCALABLE, ids=lambda kind: kind.resource)
def test_a_scale_is_read_and_written_in_place_of_its_object(server, kind):
    async def scenario(client):
        resource = client.resource(kind)
        made = await resource.create(example(kind, "scaled"))
        scale = await resource.get_scale("scaled", "default")
        assert scale.spec.replicas == made.spec.replicas
        assert scale.metadata.uid == made.metadata.uid
        assert scale.metadata.resource_version == made.metadata.resource_version
        assert scale.status.selector == str(selector_of(made.spec.selector))
        scale.spec.replicas = 7
        updated = await resource.update_scale(scale)
        found = await resource.get("scaled", "default")
        assert found.spec.replicas == updated.spec.replicas == 7
        assert found.metadata.resource_version == updated.metadata.resource_version
        assert found.metadata.generation == made.metadata.generation + 1
        found.spec.replicas = made.spec.replicas
        assert found.spec == made.spec, "nothing else has changed"
        with pytest.raises(ConflictError, match="resourceVersion"):
            await resource.update_scale(scale)
        patched = await resource.patch(
            "scaled", {"spec": {"replicas": 2}}, "default", subresource="scale"
        )
        assert patched.spec.replicas == 2
        for wrong in ({"spec": {"replicas": -1}}, {"spec": {"replicas": "x"}}, {"spec": 3}):
            with pytest.raises(InvalidError, match="spec"):
                await resource.patch("scaled", wrong, "default", subresource="scale")
        assert (await resource.get_scale("scaled", "default")).spec.replicas == 2
        await resource.delete("scaled", "default")

    on_server(server, scenario)


def test_a_kind_without_replicas_has_no_scale(server):
    async def scenario(client):
        await client.config_maps.create(example(kinds.CONFIG_MAP, "unscaled"))
        with pytest.raises(InvalidError, match="no scale"):
            await client.config_maps.patch("unscaled", {}, "default", subresource="scale")

    on_server(server, scenario)


def test_evictions_of_many_at_once_stay_within_the_budget(server):
    async def scenario(client):
        space, allowed = await new_namespace(client, "evictions"), 3
        budget = example(kinds.POD_DISRUPTION_BUDGET, "all", space)
        budget.spec.selector.Clear()
        budget.spec.selector.SetInParent()
        budget = await client.pod_disruption_budgets.create(budget)
        budget.status.observed_generation = budget.metadata.generation
        budget.status.disruptions_allowed = allowed
        await client.pod_disruption_budgets.update_status(budget)
        for number in range(8):
            pod = await client.pods.create(example(kinds.POD, f"p{number}", space))
            pod.status.phase = "Running"
            pod.status.conditions.add(type="Ready", status="True")
            await client.pods.update_status(pod)
        tried = await client.evict_pod("p0", space, dry_run=True)
        assert tried.metadata.name == "p0"
        outcomes = await asyncio.gather(
            *(client.evict_pod(f"p{number}", space) for number in range(8)), return_exceptions=True
        )
        refused = [one for one in outcomes if isinstance(one, OverloadedError)]
        assert len(refused) == 8 - allowed, outcomes
        left = await client.pod_disruption_budgets.get("all", space)
        assert left.status.disruptions_allowed == 0
        assert len(left.status.disrupted_pods) == allowed

    on_server(server, scenario)


def test_whoever_sets_what_has_no_effect_is_warned_and_only_they_are(server):
    async def scenario(client):
        told = []
        client.on_warning(told.append)
        service = example(kinds.SERVICE, "warned")
        service.spec.ports[0].app_protocol = "http"
        expected = [f"{one.path}: {one.warning}" for one in unsupported_fields(service)]
        assert expected
        assert expected[0].startswith("spec.ports[0].appProtocol: ")

        async def after(call):
            told.clear()
            answer = await call
            return answer, list(told)

        assert (await after(client.services.create(service, dry_run=True)))[1] == expected
        made, warnings = await after(client.services.create(service))
        assert warnings == expected
        made.metadata.labels["a"] = "b"
        assert (await after(client.services.update(made)))[1] == expected
        labelled = {"metadata": {"labels": {"c": "d"}}}
        assert (await after(client.services.patch("warned", labelled, "default")))[1] == []
        again = {"metadata": {"annotations": {"why": "appProtocol"}}}
        assert (await after(client.services.patch("warned", again, "default")))[1] == expected
        current = await client.services.get("warned", "default")
        assert (await after(client.services.update_status(current)))[1] == []
        many = []
        for number in range(40):
            one = example(kinds.SERVICE, f"warned-{number}")
            one.spec.ports[0].app_protocol = "http"
            many.append(writes.create(one))
        _, warnings = await after(client.commit(many, omit_objects=True))
        assert warnings == expected * 16 + ["there are more warnings"]

    on_server(server, scenario)
