"""What `apply` writes, for every way in which manifest and live object can differ."""

from __future__ import annotations

import json
from typing import Any

from podraft.api import codec, kinds
from podraft.api.objects import well_known
from podraft.cli.manifests import items as manifests
from podraft.cli.plans import applied, apply_plan

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]
            },
        },
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "name": "http"}]},
}


def item_of(value: dict[str, Any]) -> manifests.Item:
    reading = manifests.read([("f", json.dumps(value))], None, "default")
    assert reading.faults == []
    return reading.items[0]


def live_of(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object as the server has it after it was applied, with defaults."""
    (action,) = apply_plan.plan([(item_of(value), None)])
    assert action.write is not None
    packed = action.write.create.object
    live = codec.to_json(action.item.kind.message.FromString(packed.value))
    live["metadata"] |= {"uid": "u-1", "resourceVersion": "7", "generation": 1}
    if action.item.kind is kinds.DEPLOYMENT:
        live["spec"]["strategy"] = {"type": "RollingUpdate"}
        pod = live["spec"]["template"]["spec"]
        pod["restartPolicy"] = "Always"
        for container in pod["containers"]:
            container["imagePullPolicy"] = "Always"
            for port in container.get("ports", []):
                port.setdefault("protocol", "TCP")
    if action.item.kind is kinds.SERVICE:
        live["spec"] |= {"clusterIP": "10.96.0.9", "type": "ClusterIP"}
        for port in live["spec"]["ports"]:
            port["protocol"] = port.get("protocol", "TCP")
            port |= {"targetPort": 80, "nodePort": 30080}
    return live


def changed(value: dict[str, Any], **changes: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(value))
    copy["spec"].update(changes)
    return copy


def without_annotation(patch: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(patch))
    annotations = copy.get("metadata", {}).get("annotations", {})
    annotations.pop(well_known.APPLIED_FIELDS, None)
    if not annotations:
        copy.get("metadata", {}).pop("annotations", None)
    if not copy.get("metadata"):
        copy.pop("metadata", None)
    return copy


def patch_of(value: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    return without_annotation(apply_plan.patch_for(item_of(value), live))


def container(live: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = live["spec"]["template"]["spec"]["containers"][0]
    return found


def test_an_object_that_is_not_there_is_created_with_what_was_applied() -> None:
    (action,) = apply_plan.plan([(item_of(DEPLOYMENT), None)])

    assert action.outcome == "created"
    assert action.write is not None
    created = kinds.DEPLOYMENT.message.FromString(action.write.create.object.value)
    note = applied.noted(created.metadata.annotations)
    assert note["spec"]["replicas"] == 1
    assert note["spec"]["template"]["spec"]["containers"] == [
        {"name": "web", "image": 1, "ports": [{"containerPort": 80}]}
    ]
    assert "annotations" not in note["metadata"]


def test_what_the_server_filled_in_is_no_difference() -> None:
    for value in (DEPLOYMENT, SERVICE):
        item, live = item_of(value), live_of(value)
        (action,) = apply_plan.plan([(item, codec.from_json(live))])

        assert (action.outcome, action.write) == ("unchanged", None)


def test_a_changed_field_of_a_container_leaves_the_others_as_they_are() -> None:
    value = json.loads(json.dumps(DEPLOYMENT))
    value["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"

    patch = patch_of(value, live_of(DEPLOYMENT))

    (merged,) = patch["spec"]["template"]["spec"]["containers"]
    assert merged["image"] == "nginx:2"
    assert merged["imagePullPolicy"] == "Always"
    assert list(patch["spec"]) == ["template"]


def test_a_field_that_is_no_longer_declared_is_removed() -> None:
    value = json.loads(json.dumps(DEPLOYMENT))
    del value["spec"]["replicas"]
    value["metadata"]["labels"] = {}

    patch = patch_of(value, live_of(DEPLOYMENT))

    assert patch["spec"] == {"replicas": None}
    assert patch["metadata"] == {"labels": {"app": None}} or patch["metadata"]["labels"] is None


def test_what_others_set_and_nobody_declared_stays() -> None:
    live = live_of(DEPLOYMENT)
    live["metadata"]["labels"]["added"] = "yes"
    live["spec"]["paused"] = True

    assert patch_of(DEPLOYMENT, live) == {}


def test_what_others_changed_of_the_declared_is_set_back() -> None:
    live = live_of(DEPLOYMENT)
    live["spec"]["replicas"] = 9

    assert patch_of(DEPLOYMENT, live) == {"spec": {"replicas": 2}}


def test_a_container_that_is_no_longer_declared_goes_and_one_added_by_others_stays() -> None:
    two = json.loads(json.dumps(DEPLOYMENT))
    two["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "busybox"})
    live = live_of(two)
    live["spec"]["template"]["spec"]["containers"].append({"name": "injected", "image": "proxy"})

    patch = patch_of(DEPLOYMENT, live)

    names = [c["name"] for c in patch["spec"]["template"]["spec"]["containers"]]
    assert names == ["web", "injected"]


def test_a_service_keeps_its_assigned_node_port_when_another_port_is_added() -> None:
    value = changed(SERVICE, ports=[{"port": 80, "name": "http"}, {"port": 443, "name": "tls"}])

    ports = patch_of(value, live_of(SERVICE))["spec"]["ports"]

    assert [(p["port"], p.get("nodePort")) for p in ports] == [(80, 30080), (443, None)]


def test_ports_of_the_same_number_and_two_protocols_are_two_ports() -> None:
    value = changed(
        SERVICE,
        ports=[{"port": 53, "name": "a", "protocol": "UDP"}, {"port": 53, "name": "b"}],
    )

    assert patch_of(value, live_of(value)) == {}


def test_a_list_without_keys_is_replaced_as_one_value() -> None:
    value = json.loads(json.dumps(DEPLOYMENT))
    container(value)["command"] = ["a", "b"]
    live = live_of(value)
    container(value)["command"] = ["a"]

    patch = patch_of(value, live)

    assert container(patch)["command"] == ["a"]


def test_a_broken_annotation_only_loses_what_it_knew() -> None:
    live = live_of(DEPLOYMENT)
    live["metadata"]["annotations"][well_known.APPLIED_FIELDS] = "{not json"

    assert patch_of(changed(DEPLOYMENT, replicas=3), live) == {"spec": {"replicas": 3}}


def test_a_patch_is_meant_for_the_object_that_was_looked_at() -> None:
    item = item_of(changed(DEPLOYMENT, replicas=3))
    (action,) = apply_plan.plan([(item, codec.from_json(live_of(DEPLOYMENT)))])

    assert action.outcome == "configured"
    assert action.write is not None
    assert action.write.patch.request.preconditions.uid == "u-1"


def test_namespaces_are_written_before_what_is_in_them_and_the_unchanged_not_at_all() -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    pairs = [
        (item_of(DEPLOYMENT), None),
        (item_of(SERVICE), codec.from_json(live_of(SERVICE))),
        (item_of(config), None),
        (item_of(namespace), None),
    ]

    ordered = apply_plan.write_order(apply_plan.plan(pairs))

    assert [action.item.kind.name for action in ordered] == ["Namespace", "ConfigMap", "Deployment"]


def with_finalizers(*finalizers: str) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(SERVICE))
    if finalizers:
        copy["metadata"]["finalizers"] = list(finalizers)
    return copy


def test_of_a_set_only_what_was_applied_goes_and_what_others_added_stays() -> None:
    live = live_of(with_finalizers("a.io/one", "a.io/two"))
    live["metadata"]["finalizers"].append("b.io/theirs")

    fewer = patch_of(with_finalizers("a.io/two"), live)
    none = patch_of(with_finalizers(), live)

    assert fewer["metadata"]["finalizers"] == ["a.io/two", "b.io/theirs"]
    assert none["metadata"]["finalizers"] == ["b.io/theirs"]
    assert patch_of(with_finalizers("a.io/two", "a.io/one"), live) == {
        "metadata": {"finalizers": ["a.io/two", "a.io/one", "b.io/theirs"]}
    }


def test_taints_are_one_value_as_kubectl_takes_them() -> None:
    node: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1"},
        "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]},
    }
    live = live_of(node)
    live["spec"]["taints"].append({"key": "b", "effect": "NoSchedule"})

    assert patch_of(node, live)["spec"] == node["spec"]
