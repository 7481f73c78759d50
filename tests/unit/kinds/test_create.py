"""Creating: what is filled in, and for each rule exactly the violation that names it."""

from __future__ import annotations

import copy
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from podraft.api import codec, kinds
from podraft.api.kinds import AnyKind
from podraft.api.violations import InvalidObjectError
from podraft.server import kinds as rooms
from support import api_objects

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP = "2026-01-02T03:04:05Z"

POD_SPEC: dict[str, Any] = {
    "containers": [
        {
            "name": "app",
            "image": "nginx:1.27",
            "ports": [{"name": "http", "containerPort": 80}],
            "env": [{"name": "A", "value": "1"}],
            "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "64Mi"}},
            "readinessProbe": {"httpGet": {"port": "http"}},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }
    ],
    "volumes": [{"name": "data", "emptyDir": {}}],
}
WORKLOAD_SPEC: dict[str, Any] = {
    "selector": {"matchLabels": {"app": "web"}},
    "template": {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": "nginx:1.27"}]},
    },
}
FINITE: dict[str, Any] = {
    "template": {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "busybox:1"}]}
    }
}
BODIES: dict[str, dict[str, Any]] = {
    "Namespace": {},
    "Node": {},
    "Pod": {"spec": POD_SPEC},
    "ReplicaSet": {"spec": WORKLOAD_SPEC},
    "Deployment": {"spec": WORKLOAD_SPEC},
    "DaemonSet": {"spec": WORKLOAD_SPEC},
    "StatefulSet": {"spec": WORKLOAD_SPEC},
    "ControllerRevision": {"data": {"spec": {}}, "revision": 1},
    "Job": {"spec": FINITE},
    "CronJob": {"spec": {"schedule": "30 2 * * 1-5", "jobTemplate": {"spec": FINITE}}},
    "HorizontalPodAutoscaler": {
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5}
    },
    "PodDisruptionBudget": {"spec": {"maxUnavailable": 1}},
    "PriorityClass": {"value": 1000},
    "Service": {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}},
    "ConfigMap": {"data": {"a": "b"}},
    "Secret": {"data": {"a": "Yg=="}},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}]},
    "Lease": {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}},
    "Role": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "ClusterRole": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "RoleBinding": {
        "subjects": [{"kind": "User", "name": "ada"}],
        "roleRef": {"kind": "ClusterRole", "name": "view"},
    },
    "ClusterRoleBinding": {
        "subjects": [{"kind": "Group", "name": "operators"}],
        "roleRef": {"kind": "ClusterRole", "name": "view"},
    },
    "Event": {"reason": "Started", "regarding": {"kind": "Pod", "namespace": "default"}},
}
KINDS = {kind.name: kind for kind in kinds.BUILT_IN}
all_kinds = pytest.mark.parametrize("kind", kinds.BUILT_IN, ids=lambda kind: kind.name)


def manifest(kind: AnyKind) -> dict[str, Any]:
    metadata = {"name": api_objects.name_of(kind, "web")} | (
        {"namespace": "default"} if kind.namespaced else {}
    )
    body = copy.deepcopy(BODIES[kind.name]) if kind.name in BODIES else api_objects.body(kind)
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **body}


def put(place: Any, path: str, value: Any) -> None:
    """Set what a path such as ``spec.containers[0].image`` names; ``...`` removes it."""
    *parents, last = [int(p) if p.isdigit() else p for p in re.findall(r"[^.\[\]]+", path)]
    for parent in parents:
        place = place.setdefault(parent, {}) if isinstance(place, dict) else place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value


def create(data: dict[str, Any]) -> dict[str, Any]:
    kind = codec.kind_of_manifest(data)
    proposed = codec.from_json(data)
    before = proposed.SerializeToString(deterministic=True)
    created = rooms.prepare_create(
        kind, proposed, now=NOW, uid="u-1", name_suffix="x7k2p", known=kinds.BUILT_IN
    )
    assert proposed.SerializeToString(deterministic=True) == before
    return codec.to_json(created)


@all_kinds
def test_a_new_object_has_an_identity(kind: AnyKind) -> None:
    created = create(manifest(kind))
    metadata = created["metadata"]
    assert (metadata["uid"], metadata["creationTimestamp"]) == ("u-1", STAMP)
    assert metadata.get("generation") == (1 if kind.has_generations else None)


@all_kinds
def test_what_only_the_server_says_is_dropped(kind: AnyKind) -> None:
    data = manifest(kind)
    data["metadata"] |= {
        "uid": "mine",
        "resourceVersion": "7",
        "generation": 9,
        "deletionTimestamp": "2020-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 5,
        "creationTimestamp": "2020-01-01T00:00:00Z",
    }
    assert create(data) == create(manifest(kind))


@all_kinds
def test_creating_what_was_created_changes_no_default(kind: AnyKind) -> None:
    once = create(manifest(kind))
    again = create(json.loads(json.dumps(once)))
    assert again == once


# The name of a definition follows from what it declares.
@pytest.mark.parametrize(
    "kind",
    [kind for kind in kinds.BUILT_IN if kind is not kinds.CUSTOM_RESOURCE_DEFINITION],
    ids=lambda kind: kind.name,
)
def test_a_name_can_be_generated(kind: AnyKind) -> None:
    data = manifest(kind)
    data["metadata"] |= {"name": "", "generateName": "web-"}
    assert create(data)["metadata"]["name"] == "web-x7k2p"


def test_a_generated_name_is_cut_to_fit_a_label() -> None:
    data = manifest(kinds.POD)
    data["metadata"] |= {"name": "", "generateName": "w" * 80}
    assert create(data)["metadata"]["name"] == "w" * 58 + "x7k2p"


def test_the_defaults_of_a_pod() -> None:
    created = create(manifest(kinds.POD))
    [container] = created["spec"].pop("containers")
    assert created["spec"] == {
        "volumes": [{"name": "data", "emptyDir": {}}],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
    }
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["terminationMessagePolicy"] == "File"
    assert container["ports"] == [{"name": "http", "containerPort": 80, "protocol": "TCP"}]
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": "64Mi"},
        "limits": {"cpu": "1", "memory": "64Mi"},
    }
    assert container["readinessProbe"] == {
        "httpGet": {"port": "http", "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert created["status"] == {"phase": "Pending", "qosClass": "Burstable"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1", "IfNotPresent"),
        ("localhost:5000/nginx", "Always"),
        ("localhost:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
        ("nginx:latest@sha256:abc", "Always"),
    ],
)
def test_a_tag_that_moves_is_pulled_each_time(image: str, policy: str) -> None:
    data = manifest(kinds.POD)
    put(data, "spec.containers[0].image", image)
    assert create(data)["spec"]["containers"][0]["imagePullPolicy"] == policy


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
        ({"requests": {"example.com/gpu": "1"}}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1m"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources: dict[str, Any], qos: str) -> None:
    data = manifest(kinds.POD)
    put(data, "spec.containers[0].resources", resources)
    assert create(data)["status"]["qosClass"] == qos


def test_the_defaults_of_a_deployment() -> None:
    spec = create(manifest(kinds.DEPLOYMENT))["spec"]
    assert spec["replicas"] == 1
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    rolling = {"maxUnavailable": "25%", "maxSurge": "25%"}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert "tolerations" not in spec["template"]["spec"]


def test_an_explicit_zero_is_no_default() -> None:
    data = manifest(kinds.DEPLOYMENT)
    put(data, "spec.replicas", 0)
    put(data, "spec.revisionHistoryLimit", 0)
    spec = create(data)["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"]) == (0, 0)


def test_the_defaults_of_a_service() -> None:
    assert create(manifest(kinds.SERVICE))["spec"] == {
        "type": "ClusterIP",
        "selector": {"app": "web"},
        "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}],
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    }


def test_string_data_of_a_secret_becomes_data() -> None:
    data = manifest(kinds.SECRET) | {"stringData": {"a": "over", "c": "ü"}}
    created = create(data)
    assert created["data"] == {"a": "b3Zlcg==", "c": "w7w="}
    assert created["type"] == "Opaque"
    assert "stringData" not in created


def test_a_namespace_is_active_labelled_and_emptied_before_it_goes() -> None:
    created = create(manifest(kinds.NAMESPACE) | {"spec": {"finalizers": ["kubernetes"]}})
    assert created["metadata"]["labels"] == {"kubernetes.io/metadata.name": "web"}
    assert created["spec"] == {"finalizers": ["kubernetes"]}
    assert created["status"] == {"phase": "Active"}


def test_a_node_registers_with_its_status_other_kinds_without() -> None:
    status = {"capacity": {"cpu": "2"}}
    assert create(manifest(kinds.NODE) | {"status": status})["status"] == status
    pod = create(manifest(kinds.POD) | {"status": {"phase": "Running", "podIP": "10.0.0.1"}})
    assert pod["status"] == {"phase": "Pending", "qosClass": "Burstable"}
    deployment = create(manifest(kinds.DEPLOYMENT) | {"status": {"replicas": 5}})
    assert "status" not in deployment


def test_an_event_happened_when_it_was_written() -> None:
    created = create(manifest(kinds.EVENT))
    assert created["eventTime"] == "2026-01-02T03:04:05.000000Z"
    assert created["type"] == "Normal"


def test_the_pod_network_of_a_node_is_said_twice() -> None:
    created = create(manifest(kinds.NODE) | {"spec": {"podCIDR": "10.244.1.0/24"}})
    assert created["spec"] == {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"]}


# ---- Violations: a valid object, one change, and exactly what is said of it ---------------------

CASES = [
    case
    for path in sorted(Path(__file__).parent.glob("violations*.yaml"))
    for case in yaml.safe_load(path.read_text())
]


def violations_of(data: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidObjectError) as caught:
        create(data)
    return [(violation.field, violation.description) for violation in caught.value.violations]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}-{case['field']}")
def test_a_broken_rule_is_named_exactly(case: dict[str, Any]) -> None:
    data = manifest(KINDS[case["kind"]])
    put(data, case["change"], ... if case.get("remove") else case["to"])
    assert violations_of(data) == [(case["field"], case["says"])]


@pytest.mark.parametrize(
    ("kind", "path", "value", "field", "says"),
    [
        (
            kinds.CONFIG_MAP,
            "metadata.name",
            "a" * 254,
            "metadata.name",
            f'"{"a" * 59}…" must be 1 to 253 characters, is 254',
        ),
        (
            kinds.POD,
            "metadata.annotations",
            {"a": "x" * 262_144},
            "metadata.annotations",
            "must be at most 262144 bytes in sum, are 262145",
        ),
        (
            kinds.CONFIG_MAP,
            "data",
            {"a": "x" * 1_048_577},
            "data",
            "must be at most 1048576 bytes in sum, is 1048577",
        ),
        (kinds.EVENT, "note", "x" * 1025, "note", "must be at most 1024 characters, is 1025"),
    ],
)
def test_sizes_are_bounded(kind: AnyKind, path: str, value: Any, field: str, says: str) -> None:
    data = manifest(kind)
    put(data, path, value)
    assert violations_of(data) == [(field, says)]


def test_every_fault_of_an_object_is_found_at_once() -> None:
    data = manifest(kinds.DEPLOYMENT)
    put(data, "metadata.name", "-")
    put(data, "spec.replicas", -1)
    put(data, "spec.template.spec.containers[0].image", "")
    with pytest.raises(InvalidObjectError) as caught:
        create(data)
    assert [violation.field for violation in caught.value.violations] == [
        "metadata.name",
        "spec.replicas",
        "spec.template.spec.containers[0].image",
    ]


def test_pods_of_equal_specs_share_nothing() -> None:
    proposed: Any = codec.from_json(manifest(kinds.POD))
    one, other, third = (
        rooms.prepare_create(
            kinds.POD, proposed, now=NOW, uid="u-1", name_suffix="", known=kinds.BUILT_IN
        )
        for _ in range(3)
    )
    one.spec.containers[0].image = "other:1"
    one.spec.node_name = "elsewhere"
    again = rooms.prepare_create(
        kinds.POD, proposed, now=NOW, uid="u-1", name_suffix="", known=kinds.BUILT_IN
    )
    assert other == third == again != one


def test_a_fault_is_found_again_beside_a_right_spec() -> None:
    right, wrong = manifest(kinds.POD), manifest(kinds.POD)
    wrong["spec"]["containers"][0]["name"] = "No Name"
    for _ in range(3):
        create(right)
        assert [field for field, _ in violations_of(wrong)] == ["spec.containers[0].name"]
