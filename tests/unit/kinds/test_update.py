"""Updating: what stays, what counts as a change, and what may not change."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import requests_pb2
from podraft.api.violations import InvalidObjectError
from podraft.server import kinds as rooms
from support import api_objects

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

CONTAINER = {"name": "app", "image": "nginx:1.27"}
WORKLOAD = {
    "selector": {"matchLabels": {"app": "web"}},
    "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}},
}
FINITE = {"template": {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}}
BODIES: dict[str, dict[str, Any]] = {
    "Namespace": {},
    "Node": {"spec": {"podCIDR": "10.244.1.0/24"}, "status": {"capacity": {"cpu": "2"}}},
    "Pod": {"spec": {"containers": [CONTAINER], "activeDeadlineSeconds": 60}},
    "ReplicaSet": {"spec": WORKLOAD},
    "Deployment": {"spec": WORKLOAD},
    "DaemonSet": {"spec": WORKLOAD},
    "StatefulSet": {"spec": WORKLOAD},
    "ControllerRevision": {"data": {"spec": {}}, "revision": 1},
    "Job": {"spec": FINITE},
    "CronJob": {"spec": {"schedule": "@daily", "jobTemplate": {"spec": FINITE}}},
    "HorizontalPodAutoscaler": {
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5}
    },
    "PodDisruptionBudget": {"spec": {"maxUnavailable": 1}},
    "PriorityClass": {"value": 1000},
    "Service": {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}},
    "ConfigMap": {"data": {"a": "b"}},
    "Secret": {"data": {"a": "Yg=="}},
    "EndpointSlice": {"addressType": "IPv4"},
    "Lease": {"spec": {"holderIdentity": "me"}},
    "Role": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "ClusterRole": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "RoleBinding": {"roleRef": {"kind": "ClusterRole", "name": "view"}},
    "ClusterRoleBinding": {"roleRef": {"kind": "ClusterRole", "name": "view"}},
    "Event": {"reason": "Started"},
}
all_kinds = pytest.mark.parametrize("kind", kinds.BUILT_IN, ids=lambda kind: kind.name)
with_conditions = pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in kinds.BUILT_IN
        if kind.has_status and hasattr(kind.message().status, "conditions")
    ],
    ids=lambda kind: kind.name,
)


def manifest(kind: AnyKind, **fields: Any) -> dict[str, Any]:
    metadata = {"name": api_objects.name_of(kind, "web")} | (
        {"namespace": "default"} if kind.namespaced else {}
    )
    body = copy.deepcopy(BODIES[kind.name]) if kind.name in BODIES else api_objects.body(kind)
    return {
        "apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **body, **fields
    }  # fmt: skip


def stored(kind: AnyKind, **fields: Any) -> Any:
    proposed = codec.from_json(manifest(kind, **fields))
    created = rooms.prepare_create(
        kind, proposed, now=NOW, uid="u-1", name_suffix="x", known=kinds.BUILT_IN
    )
    created.metadata.resource_version = "7"
    return created


def copied(message: Any) -> Any:
    result = type(message)()
    result.CopyFrom(message)
    return result


def update(kind: AnyKind, before: Any, after: Any, subresource: str = "") -> Any:
    frozen = [m.SerializeToString(deterministic=True) for m in (before, after)]
    result = rooms.prepare_update(
        kind, before, after, subresource=subresource, known=kinds.BUILT_IN
    )
    assert [m.SerializeToString(deterministic=True) for m in (before, after)] == frozen
    return result


def refused(kind: AnyKind, before: Any, after: Any, subresource: str = "") -> list[tuple[str, str]]:
    with pytest.raises(InvalidObjectError) as caught:
        update(kind, before, after, subresource)
    return [(violation.field, violation.description) for violation in caught.value.violations]


@all_kinds
def test_an_update_with_what_is_stored_changes_nothing(kind: AnyKind) -> None:
    before = stored(kind)
    assert update(kind, before, before) == before


@all_kinds
def test_applying_the_same_manifest_again_changes_nothing(kind: AnyKind) -> None:
    before = stored(kind)
    again = codec.from_json(manifest(kind))
    assert update(kind, before, again) == before


@all_kinds
def test_identity_and_times_cannot_be_changed(kind: AnyKind) -> None:
    before = stored(kind)
    after = copied(before)
    metadata = after.metadata
    metadata.uid, metadata.resource_version, metadata.generation = "other", "99", 40
    metadata.creation_timestamp.seconds = 1
    metadata.deletion_timestamp.seconds = 1
    metadata.deletion_grace_period_seconds = 1
    assert update(kind, before, after) == before


@all_kinds
def test_labels_and_annotations_change_without_a_new_generation(kind: AnyKind) -> None:
    before = stored(kind)
    after = copied(before)
    after.metadata.labels["tier"] = "front"
    after.metadata.annotations["why"] = "because"
    result = update(kind, before, after)
    assert result.metadata.labels["tier"] == "front"
    assert result.metadata.generation == before.metadata.generation


@with_conditions
def test_the_main_resource_keeps_the_status(kind: AnyKind) -> None:
    before = stored(kind)
    after = copied(before)
    after.status.conditions.add(type="Ready", status="True")
    assert update(kind, before, after).status == before.status


@with_conditions
def test_the_status_resource_changes_nothing_else(kind: AnyKind) -> None:
    before = stored(kind)
    after = copied(before)
    after.status.conditions.add(type="Ready", status="True")
    after.metadata.labels["a"] = "b"
    after.ClearField("spec")
    result = update(kind, before, after, "status")
    assert result.status == after.status
    result.status.CopyFrom(before.status)
    if not before.HasField("status"):
        result.ClearField("status")
    assert result == before


def test_a_kind_without_status_has_no_status_resource() -> None:
    before = stored(kinds.CONFIG_MAP)
    expected = [("subresource", "configmaps have no status")]
    assert refused(kinds.CONFIG_MAP, before, before, "status") == expected
    [(field, description)] = refused(kinds.POD, stored(kinds.POD), stored(kinds.POD), "scale")
    assert (field, description) == ("subresource", 'expected "" or "status", got "scale"')


def test_a_status_is_checked() -> None:
    before = stored(kinds.POD)
    after = copied(before)
    after.status.phase = "Sleeping"
    [(field, _)] = refused(kinds.POD, before, after, "status")
    assert field == "status.phase"


def test_a_spec_without_a_status_has_generations_if_its_kind_counts_them() -> None:
    before = stored(kinds.NETWORK_POLICY)
    after = copied(before)
    after.spec.pod_selector.match_labels["app"] = "another"
    result = update(kinds.NETWORK_POLICY, before, after)
    assert (before.metadata.generation, result.metadata.generation) == (1, 2)
    lease = stored(kinds.LEASE)
    assert not lease.metadata.HasField("generation"), "it is renewed every few seconds"


def test_a_change_of_the_spec_is_a_new_generation() -> None:
    before = stored(kinds.DEPLOYMENT)
    after = copied(before)
    after.spec.replicas = 3
    result = update(kinds.DEPLOYMENT, before, after)
    assert (before.metadata.generation, result.metadata.generation) == (1, 2)


@pytest.mark.parametrize(
    "kind", [kinds.DEPLOYMENT, kinds.REPLICA_SET, kinds.DAEMON_SET], ids=lambda k: k.name
)
def test_a_selector_cannot_change(kind: AnyKind) -> None:
    before = stored(kind)
    after = copied(before)
    after.spec.selector.match_labels["tier"] = "front"
    after.spec.template.metadata.labels["tier"] = "front"
    assert refused(kind, before, after) == [
        ("spec.selector", "cannot be changed: make a new object under another name")
    ]


def test_a_patch_to_recreate_takes_the_defaulted_bounds_along() -> None:
    before = stored(kinds.DEPLOYMENT)
    after = copied(before)
    after.spec.strategy.type = "Recreate"
    assert not update(kinds.DEPLOYMENT, before, after).spec.strategy.HasField("rolling_update")
    after.spec.strategy.rolling_update.max_surge.int_val = 1
    [(field, _)] = refused(kinds.DEPLOYMENT, before, after)
    assert field == "spec.strategy.rollingUpdate"


def test_a_patch_that_says_what_the_new_type_forbids_is_refused_even_if_it_was_so_before() -> None:
    before = stored(kinds.DEPLOYMENT)
    after = copied(before)
    after.spec.strategy.type = "Recreate"
    bounds = codec.to_json(before)["spec"]["strategy"]["rollingUpdate"]
    for strategy, says in (({}, False), ({"rollingUpdate": bounds}, True)):
        patch = {"spec": {"strategy": {"type": "Recreate", **strategy}}}
        try:
            result = rooms.prepare_update(
                kinds.DEPLOYMENT, before, after, patch=patch, known=kinds.BUILT_IN
            )
        except InvalidObjectError as error:
            assert says
            assert [v.field for v in error.violations] == ["spec.strategy.rollingUpdate"]
        else:
            assert not says
            assert not result.spec.strategy.HasField("rolling_update")


def test_an_invalid_update_is_refused_like_an_invalid_create() -> None:
    before = stored(kinds.DEPLOYMENT)
    after = copied(before)
    after.spec.replicas = -1
    expected = [("spec.replicas", "must be at least 0, is -1")]
    assert refused(kinds.DEPLOYMENT, before, after) == expected


# ---- Pods -------------------------------------------------------------------------------------

IMMUTABLE = (
    "cannot be changed: of a pod only the images of containers, "
    "tolerations (by adding) and activeDeadlineSeconds can"
)


@pytest.mark.parametrize("name", ["Pod", "ReplicaSet", "Deployment"])
def test_another_spelling_is_no_change_and_no_new_generation(name: str) -> None:
    kind = next(kind for kind in kinds.BUILT_IN if kind.name == name)
    body = copy.deepcopy(BODIES[name])
    spec = body["spec"]["template"]["spec"] if "template" in body["spec"] else body["spec"]
    spec["containers"] = [CONTAINER | {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]
    before = stored(kind, **body)
    spec["containers"][0]["resources"]["limits"] = {"cpu": "1000m", "memory": "1024Mi"}
    spec["nodeSelector"], spec["hostNetwork"] = {}, False
    assert update(kind, before, codec.from_json(manifest(kind, **body))) == before


def test_an_image_of_a_pod_can_change_where_its_pull_policy_followed_from_the_former() -> None:
    before = stored(kinds.POD)
    proposed: Any = codec.from_json(manifest(kinds.POD))
    proposed.spec.containers[0].image = "nginx:latest"
    after = update(kinds.POD, before, proposed)
    assert after.spec.containers[0].image == "nginx:latest"
    assert after.spec.containers[0].image_pull_policy == "IfNotPresent"


def test_a_fault_that_is_older_than_its_rule_holds_nothing_up_but_no_new_one_passes() -> None:
    before = stored(kinds.NODE)
    before.metadata.owner_references.add(api_version="v1", kind="Pod", name="p", uid="u")
    before.status.conditions.add(type="Ready", status="Perhaps")
    labelled = copied(before)
    labelled.metadata.labels["zone"] = "a"
    assert update(kinds.NODE, before, labelled).metadata.labels["zone"] == "a"
    spoken = copied(before)
    spoken.status.conditions.add(type="DiskPressure", status="False")
    updated = update(kinds.NODE, before, spoken, subresource="status")
    assert len(updated.status.conditions) == 2
    spoken.status.conditions[1].status = "Perhaps"
    labelled.metadata.owner_references.add(api_version="v1", kind="Pod", name="p", uid="v")
    for proposed, subresource, field in (
        (labelled, "", "metadata.ownerReferences[1].kind"),
        (spoken, "status", "status.conditions[1].status"),
    ):
        with pytest.raises(InvalidObjectError) as caught:
            update(kinds.NODE, before, proposed, subresource=subresource)
        assert [violation.field for violation in caught.value.violations] == [field]


def test_images_tolerations_and_a_shorter_deadline_of_a_pod_can_change() -> None:
    before = stored(kinds.POD)
    after = copied(before)
    after.spec.containers[0].image = "nginx:1.28"
    after.spec.tolerations.add(key="disk", operator="Exists")
    after.spec.active_deadline_seconds = 30
    result = update(kinds.POD, before, after)
    assert result.spec == after.spec
    assert result.metadata.generation == 2


def test_a_manifest_need_not_say_what_the_server_added_to_a_pod() -> None:
    before = stored(kinds.POD)
    before.spec.node_name = "n1"
    after = codec.parse(kinds.POD.message, manifest(kinds.POD))
    assert update(kinds.POD, before, after) == before


@pytest.mark.parametrize(
    ("change", "violations"),
    [
        (
            lambda spec: spec.containers[0].args.append("x"),
            [("spec.containers[0].args", IMMUTABLE)],
        ),
        (lambda spec: spec.node_selector.update(a="b"), [("spec.nodeSelector", IMMUTABLE)]),
        (lambda spec: setattr(spec, "node_name", "n2"), [("spec.nodeName", IMMUTABLE)]),
        (
            lambda spec: setattr(spec, "termination_grace_period_seconds", 5),
            [("spec.terminationGracePeriodSeconds", IMMUTABLE)],
        ),
        (
            lambda spec: spec.containers.add(name="b", image="x"),
            [("spec.containers", "cannot be added or removed: the pod has 1, the update 2")],
        ),
        (
            lambda spec: setattr(spec, "active_deadline_seconds", 61),
            [("spec.activeDeadlineSeconds", "can only be shortened: it is 60")],
        ),
        (
            lambda spec: spec.ClearField("active_deadline_seconds"),
            [("spec.activeDeadlineSeconds", "cannot be removed: it is 60")],
        ),
        (
            lambda spec: setattr(spec.tolerations[0], "toleration_seconds", 1),
            [("spec.tolerations", "can only be added, not changed or removed")],
        ),
    ],
)
def test_nothing_else_of_a_pod_can_change(change: Any, violations: list[tuple[str, str]]) -> None:
    before = stored(kinds.POD)
    before.spec.node_name = "n1"
    before.spec.tolerations.add(
        key="disk", operator="Exists", effect="NoExecute", toleration_seconds=9
    )
    after = copied(before)
    change(after.spec)
    assert refused(kinds.POD, before, after) == violations


# ---- Other kinds ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kinds.CONFIG_MAP, kinds.SECRET], ids=lambda k: k.name)
def test_what_is_immutable_stays(kind: AnyKind) -> None:
    before = stored(kind, immutable=True)
    after = copied(before)
    after.metadata.labels["a"] = "b"
    assert update(kind, before, after) == after
    after.data["a"] = after.data["a"] * 2
    after.immutable = False
    assert refused(kind, before, after) == [
        ("immutable", "cannot be taken back: delete the object and create it anew"),
        ("data", "cannot be changed: the object is immutable"),
    ]


def test_only_some_of_a_stateful_set_can_change() -> None:
    before = stored(kinds.STATEFUL_SET)
    after = copied(before)
    after.spec.replicas, after.spec.min_ready_seconds, after.spec.ordinals.start = 3, 5, 1
    after.spec.template.spec.containers[0].image = "nginx:1.28"
    after.spec.update_strategy.type = "OnDelete"
    after.spec.update_strategy.ClearField("rolling_update")
    after.spec.persistent_volume_claim_retention_policy.when_scaled = "Delete"
    assert update(kinds.STATEFUL_SET, before, after).spec == after.spec
    after.spec.pod_management_policy, after.spec.service_name = "Parallel", "other"
    expected = "cannot be changed: make a new object under another name"
    assert refused(kinds.STATEFUL_SET, before, after) == [
        ("spec.serviceName", expected),
        ("spec.podManagementPolicy", expected),
    ]


def test_how_important_pods_of_a_class_are_stays() -> None:
    before = stored(kinds.PRIORITY_CLASS)
    after = copied(before)
    after.description, after.global_default = "for people", True
    assert update(kinds.PRIORITY_CLASS, before, after) == after
    after.value, after.preemption_policy = 7, "Never"
    assert refused(kinds.PRIORITY_CLASS, before, after) == [
        ("value", "cannot be changed: it is 1000"),
        ("preemptionPolicy", "cannot be changed: it is PreemptLowerPriority"),
    ]


def test_the_type_of_a_secret_stays() -> None:
    before = stored(kinds.SECRET)
    after = copied(before)
    after.type = "example.com/other"
    assert refused(kinds.SECRET, before, after) == [("type", "cannot be changed: it is Opaque")]


def test_the_type_of_addresses_stays() -> None:
    before = stored(kinds.ENDPOINT_SLICE)
    after = copied(before)
    after.address_type = "IPv6"
    expected = [("addressType", "cannot be changed: it is IPv4")]
    assert refused(kinds.ENDPOINT_SLICE, before, after) == expected


def test_the_pod_network_of_a_node_stays() -> None:
    before = stored(kinds.NODE)
    after = copied(before)
    after.spec.ClearField("pod_cidrs")
    after.spec.pod_cidr = "10.244.2.0/24"
    expected = [("spec.podCIDR", "cannot be changed: it is 10.244.1.0/24")]
    assert refused(kinds.NODE, before, after) == expected


def test_an_update_that_forgets_the_namespaces_finalizer_keeps_it() -> None:
    before = stored(kinds.NAMESPACE)
    after = copied(before)
    after.ClearField("spec")
    assert list(update(kinds.NAMESPACE, before, after).spec.finalizers) == ["kubernetes"]


def test_a_finalizer_of_a_namespace_that_nobody_serves_is_refused() -> None:
    expected = [
        (
            "spec.finalizers",
            'nobody serves "foregroundDeletion": expected "kubernetes" or nothing',
        )
    ]
    proposed: Any = codec.from_json(
        manifest(kinds.NAMESPACE, spec={"finalizers": ["foregroundDeletion"]})
    )
    with pytest.raises(InvalidObjectError) as caught:
        rooms.prepare_create(
            kinds.NAMESPACE, proposed, now=NOW, uid="u", name_suffix="", known=kinds.BUILT_IN
        )
    assert [(v.field, v.description) for v in caught.value.violations] == expected
    before = stored(kinds.NAMESPACE)
    assert refused(kinds.NAMESPACE, before, proposed) == expected
    # One from before that rule can be taken away when the namespace is deleted, as any other.
    before.spec.finalizers.append("foregroundDeletion")
    before.metadata.deletion_timestamp.seconds = 1
    less = copied(before)
    less.spec.finalizers.remove("kubernetes")
    after = update(kinds.NAMESPACE, before, less)
    assert list(after.spec.finalizers) == ["foregroundDeletion"]
    less.spec.ClearField("finalizers")
    assert rooms.is_gone(kinds.NAMESPACE, update(kinds.NAMESPACE, after, less))


def test_a_deleted_namespace_can_lose_its_finalizer_but_not_get_another() -> None:
    before = stored(kinds.NAMESPACE)
    before.metadata.deletion_timestamp.seconds = 1
    after = copied(before)
    after.spec.finalizers.append("example.com/mine")
    [(field, _)] = refused(kinds.NAMESPACE, before, after)
    assert field == "spec.finalizers"
    after.ClearField("spec")
    result = update(kinds.NAMESPACE, before, after)
    assert not result.spec.finalizers
    assert rooms.is_gone(kinds.NAMESPACE, result)


def test_no_finalizer_is_added_to_what_is_being_deleted() -> None:
    before = stored(kinds.CONFIG_MAP)
    before.metadata.finalizers.append("example.com/a")
    marked = rooms.prepare_delete(kinds.CONFIG_MAP, before, requests_pb2.DeleteOptions(), now=NOW)
    assert isinstance(marked, rooms.MarkDeleting)
    after = copied(marked.object)
    after.metadata.finalizers.append("example.com/b")
    assert refused(kinds.CONFIG_MAP, marked.object, after) == [
        ("metadata.finalizers", '"example.com/b" cannot be added: the object is being deleted')
    ]
    after.ClearField("metadata")
    after.metadata.name, after.metadata.namespace = "web", "default"
    assert rooms.is_gone(kinds.CONFIG_MAP, update(kinds.CONFIG_MAP, marked.object, after))
