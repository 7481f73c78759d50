"""Garbage collection: what nobody owns goes, and an owner is its whole key."""

from functools import partial

import pytest

from podraft.api.core.v1 import config_pb2, service_pb2
from podraft.api.kinds import BUILT_IN, CONFIG_MAP, DEPLOYMENT, NODE, POD, REPLICA_SET, SERVICE
from podraft.api.meta.v1 import requests_pb2
from podraft.api.moments import Now
from podraft.api.objects import owners, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.owners import key_of
from podraft.server.controllers.core.controller import ControllerOptions
from podraft.server.controllers.core.indexes import BY_OWNER
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.every import controllers
from podraft.server.controllers.planners.garbage import plan as garbage
from podraft.server.controllers.planners.replica_sets import controller as replica_sets
from support.api_objects import example
from support.controller_world import World


def new_service(name="web", namespace="shop"):
    service = service_pb2.Service()
    service.metadata.name, service.metadata.namespace = name, namespace
    return service


def owned(world, name, *by, block=True):
    entry = config_pb2.ConfigMap()
    entry.metadata.name, entry.metadata.namespace = name, "shop"
    for owner in by:
        reference = owners.controller_reference(SERVICE, owner)
        reference.controller, reference.block_owner_deletion = False, block
        entry.metadata.owner_references.append(reference)
    return world.create(entry)


def named_service(world, name):
    return world.create(new_service(name))


def collect(world, owner):
    plan = garbage.plan(world, key_of(BUILT_IN.of(owner), owner), Now.at(world.now))
    world.commit(plan)
    return plan


def test_dependents_go_when_their_last_owner_is_gone():
    world = World()
    first, second = named_service(world, "first"), named_service(world, "second")
    owned(world, "one", first)
    owned(world, "both", first, second)
    assert not collect(world, first).writes
    world.delete(first)
    plan = collect(world, first)
    assert {claim.uid for claim in plan.absent} == {first.metadata.uid}
    [left] = world.list(CONFIG_MAP)
    assert [r.uid for r in left.metadata.owner_references] == [second.metadata.uid]
    world.delete(second)
    collect(world, second)
    assert not world.list(CONFIG_MAP)


def test_an_owner_that_was_made_anew_is_another_owner():
    world = World()
    first = named_service(world, "web")
    owned(world, "one", first)
    world.delete(first)
    named_service(world, "web")
    collect(world, first)
    assert not world.list(CONFIG_MAP)


def test_foreground_deletion_waits_for_the_dependents():
    world = World()
    owner = named_service(world, "web")
    dependent = owned(world, "one", owner)
    world.change(dependent, lambda d: d.metadata.finalizers.append("example.com/wait"))

    def end(service):
        service.metadata.deletion_timestamp.seconds = 1
        service.metadata.finalizers.append(well_known.FOREGROUND_FINALIZER)

    world.change(owner, end)
    collect(world, owner)
    assert is_deleting(world.get(CONFIG_MAP, "one", "shop").metadata)
    assert world.get(SERVICE, "web", "shop") is not None
    world.change(dependent, lambda d: d.metadata.ClearField("finalizers"))
    collect(world, owner)
    assert world.get(SERVICE, "web", "shop") is None


def test_orphans_survive_their_owner():
    world = World()
    owner = named_service(world, "web")
    owned(world, "one", owner)

    def end(service):
        service.metadata.deletion_timestamp.seconds = 1
        service.metadata.finalizers.append(well_known.ORPHAN_FINALIZER)

    world.change(owner, end)
    collect(world, owner)
    assert world.get(SERVICE, "web", "shop") is None
    [left] = world.list(CONFIG_MAP)
    assert not left.metadata.owner_references


# ---- A made-up reference concerns its writer only ----

WRONG = {
    "another kind": {"api_version": "v1", "kind": "ConfigMap"},
    "another name": {"name": "another"},
    "another API version": {"api_version": "apps/v1"},
    "a kind that is in no namespace": {"kind": "Node"},
    "a kind that nobody knows": {"api_version": "example.com/v1", "kind": "Widget"},
}


def stray(world, owner, *, namespace="shop", finalizer="", **wrong):
    """Create an object that names a living owner wrongly, and wants to block it."""
    entry = config_pb2.ConfigMap()
    entry.metadata.name, entry.metadata.namespace = "stray", namespace
    reference = owners.controller_reference(SERVICE, owner)
    for field, value in wrong.items():
        setattr(reference, field, value)
    entry.metadata.owner_references.append(reference)
    if finalizer:
        entry.metadata.finalizers.append(finalizer)
    return world.create(entry)


def concerned(world, old, new):
    """Return the owners that the garbage collector looks at when an object changes."""
    [controller] = [
        one for one in controllers(ControllerOptions(), BUILT_IN) if one.name == "garbage"
    ]
    return list(controller.triggers[BUILT_IN.of(new or old)](world, old, new))


def settle(world, *keys):
    """Plan every owner that anything names, until nothing is left to do."""
    for _ in range(4):
        named = {
            key
            for kind in BUILT_IN
            for obj in world.list(kind)
            for key in owners.named_keys(kind, obj.metadata, BUILT_IN)
        }
        for key in (*keys, *sorted(named)):
            world.commit(garbage.plan(world, key, Now.at(world.now)))


CASES = [("another namespace", "other", {})]
CASES += [(name, "shop", wrong) for name, wrong in WRONG.items()]


@pytest.mark.parametrize(("wrong", "namespace", "fields"), CASES, ids=[case[0] for case in CASES])
def test_a_reference_that_names_a_living_owner_wrongly_costs_nobody_else(wrong, namespace, fields):
    world = World()
    owner = named_service(world, "web")
    dependent = owned(world, "dependent", owner)
    bogus = stray(world, owner, namespace=namespace, **fields)
    assert key_of(SERVICE, owner) not in concerned(world, None, bogus)
    settle(world)
    assert world.get(SERVICE, "web", "shop") == owner
    assert world.get(CONFIG_MAP, "dependent", "shop") == dependent
    # Of a kind that nobody knows the owner may exist; each other one is known to be absent.
    may_exist = wrong in ("a kind that nobody knows", "another API version")
    assert (world.get(CONFIG_MAP, "stray", namespace) is not None) == may_exist


@pytest.mark.parametrize(("wrong", "namespace", "fields"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("policy", [well_known.FOREGROUND_FINALIZER, well_known.ORPHAN_FINALIZER])
def test_it_neither_blocks_the_owners_deletion_nor_takes_part(wrong, namespace, fields, policy):
    world = World()
    owner = named_service(world, "web")
    owned(world, "dependent", owner)
    bogus = stray(world, owner, namespace=namespace, finalizer="example.com/held", **fields)

    def end(service):
        service.metadata.deletion_timestamp.seconds = 1
        service.metadata.finalizers.append(policy)

    world.change(owner, end)
    key = key_of(SERVICE, owner)
    for _ in range(2):
        world.commit(garbage.plan(world, key, Now.at(world.now)))
    assert world.get(SERVICE, "web", "shop") is None
    assert (world.get(CONFIG_MAP, "dependent", "shop") is None) == (
        policy == well_known.FOREGROUND_FINALIZER
    )
    assert world.get(CONFIG_MAP, "stray", namespace) == bogus


def test_the_wrong_one_of_two_references_to_one_uid_is_forgotten_alone():
    world = World()
    owner = named_service(world, "web")
    both = owned(world, "both", owner, owner)

    def misname(entry):
        entry.metadata.owner_references[1].name = "another"

    world.change(both, misname)
    settle(world)
    [left] = world.get(CONFIG_MAP, "both", "shop").metadata.owner_references
    assert left.name == "web"


def test_a_dependent_of_a_kind_that_nobody_knows_only_forgets_its_other_owner():
    world = World()
    owner = named_service(world, "web")
    both = owned(world, "both", owner, owner)

    def of_unknown_kind(entry):
        reference = entry.metadata.owner_references[1]
        reference.api_version, reference.kind, reference.uid = "example.com/v1", "Widget", "w"

    world.change(both, of_unknown_kind)
    world.delete(owner)
    settle(world, key_of(SERVICE, owner))
    [left] = world.get(CONFIG_MAP, "both", "shop").metadata.owner_references
    assert left.kind == "Widget"


def test_an_object_in_no_namespace_has_no_owner_in_one():
    world = World()
    owner = named_service(world, "web")
    node = example(NODE, "n0")
    node.metadata.owner_references.append(owners.controller_reference(SERVICE, owner))
    world.create(node)
    world.delete(owner)
    settle(world, key_of(SERVICE, owner))
    assert world.get(NODE, "n0") is not None


def test_foreground_deletion_spares_what_another_living_owner_keeps():
    world = World()
    going, staying = named_service(world, "going"), named_service(world, "staying")
    kept = owned(world, "kept", going, staying)

    def end(service):
        service.metadata.deletion_timestamp.seconds = 1
        service.metadata.finalizers.append(well_known.FOREGROUND_FINALIZER)

    world.change(going, end)
    key = key_of(SERVICE, going)
    world.commit(garbage.plan(world, key, Now.at(world.now)))
    left = world.get(CONFIG_MAP, "kept", "shop")
    assert [reference.name for reference in left.metadata.owner_references] == ["staying"]
    assert key in concerned(world, kept, left), "the owner that waits is looked at again"
    world.commit(garbage.plan(world, key, Now.at(world.now)))
    assert world.get(SERVICE, "going", "shop") is None


@pytest.mark.parametrize("block", [True, False])
def test_who_waits_for_a_dependent_waits_for_the_dependents_of_that(block):
    world = World()
    deployment = world.create(example(DEPLOYMENT, "web", "shop"))
    middle = example(REPLICA_SET, "web-1", "shop")
    middle.metadata.owner_references.append(owners.controller_reference(DEPLOYMENT, deployment))
    middle = world.create(middle)
    pod = example(POD, "web-1-a", "shop")
    pod.metadata.owner_references.append(owners.controller_reference(REPLICA_SET, middle))
    pod.metadata.owner_references[0].block_owner_deletion = block
    world.create(pod)

    def end(obj):
        obj.metadata.deletion_timestamp.seconds = 1
        obj.metadata.finalizers.append(well_known.FOREGROUND_FINALIZER)

    world.change(deployment, end)
    [write] = garbage.plan(world, key_of(DEPLOYMENT, deployment), Now.at(world.now)).writes
    policy = write.delete.request.options.propagation_policy
    foreground = requests_pb2.PROPAGATION_POLICY_FOREGROUND
    assert (policy == foreground) == block


def own(obj, by):
    obj.metadata.owner_references.append(by)


@pytest.mark.parametrize("begun", [["a"], ["a", "b"], ["b", "c"]])
@pytest.mark.parametrize("size", [2, 3])
def test_who_own_each_other_in_a_circle_do_not_wait_for_ever(size, begun):
    world = World()
    names = ["a", "b", "c"][:size]
    for name in names:
        named_service(world, name)
    for name, owner in zip(names, names[1:] + names[:1], strict=True):
        reference = owners.controller_reference(SERVICE, world.get(SERVICE, owner, "shop"))
        world.change(world.get(SERVICE, name, "shop"), partial(own, by=reference))

    def end(service):
        service.metadata.deletion_timestamp.seconds = 1
        service.metadata.finalizers.append(well_known.FOREGROUND_FINALIZER)

    keys = [key_of(SERVICE, world.get(SERVICE, name, "shop")) for name in names]
    for name in begun:
        if name in names:
            world.change(world.get(SERVICE, name, "shop"), end)
    for _ in range(2 * size):
        for key in keys:
            world.commit(garbage.plan(world, key, Now.at(world.now)))
    assert not world.list(SERVICE)


def test_dependents_that_something_holds_do_not_hold_the_rest(monkeypatch):
    monkeypatch.setattr(garbage, "WRITES_MAX", 3)
    world = World()
    owner = named_service(world, "web")
    for number in range(4):
        held = owned(world, f"held-{number}", owner)
        world.change(held, lambda h: h.metadata.finalizers.append("example.com/held"))
    free = [owned(world, f"z-free-{number}", owner) for number in range(4)]
    world.delete(owner)
    settle(world, key_of(SERVICE, owner))
    assert not any(world.get(CONFIG_MAP, one.metadata.name, "shop") for one in free)


@pytest.mark.parametrize(
    "wrong", [{"name": "another"}, {"kind": "Deployment"}, {"api_version": "v1"}, {"ns": "other"}]
)
def test_a_pod_that_names_a_replica_set_wrongly_is_none_of_its_pods(wrong):
    world = World()
    replica_set = world.create(example(REPLICA_SET, "web", "shop"))
    pod = example(POD, "stray", wrong.pop("ns", "shop"), labels={"app": "web"})
    reference = owners.controller_reference(REPLICA_SET, replica_set)
    for field, value in wrong.items():
        setattr(reference, field, value)
    pod.metadata.owner_references.append(reference)
    stray_pod = world.create(pod)
    key = ObjectKey("shop", "web")
    world.commit(replica_sets.plan(world, key, Now.at(world.now)))
    world.commit(replica_sets.plan(world, key, Now.at(world.now)))
    namespace = stray_pod.metadata.namespace
    assert world.get(POD, "stray", namespace) == stray_pod
    own = world.by_index(POD, BY_OWNER, key_of(REPLICA_SET, replica_set).text)
    assert len(own) == 2
    assert world.get(REPLICA_SET, "web", "shop").status.replicas == 2
