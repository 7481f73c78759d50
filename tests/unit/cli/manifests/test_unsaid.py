"""What exports carry, and defaults written out, mean nothing; all else stays."""

from __future__ import annotations

import copy
from textwrap import dedent, indent
from typing import Any

import pytest

from podraft.cli.manifests import items as manifests
from podraft.cli.manifests.unsaid import without_unsaid


def pod(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}


def test_what_a_server_wrote_goes_and_the_input_stays() -> None:
    value = {
        "kind": "ConfigMap",
        "metadata": {
            "name": "a",
            "uid": "1",
            "resourceVersion": "2",
            "managedFields": [{}],
            "annotations": {"deployment.kubernetes.io/revision": "3", "mine": "4"},
        },
        "data": {"status": "kept", "uid": "kept"},
        "status": {"phase": "Running"},
    }
    before = copy.deepcopy(value)
    assert without_unsaid(value) == {
        "kind": "ConfigMap",
        "metadata": {"name": "a", "annotations": {"mine": "4"}},
        "data": {"status": "kept", "uid": "kept"},
    }
    assert value == before


@pytest.mark.parametrize(
    ("name", "default", "other"),
    [
        ("dnsPolicy", "ClusterFirst", "None"),
        ("priority", 0, 10),
        ("priority", 0, False),
        ("serviceAccountName", "default", "builder"),
    ],
)
def test_a_default_says_nothing_and_another_value_stays(
    name: str, default: Any, other: Any
) -> None:
    assert without_unsaid(pod(**{name: default}))["spec"] == {}
    assert without_unsaid(pod(**{name: other}))["spec"] == {name: other}


def test_the_address_of_an_exported_service_is_the_other_clusters() -> None:
    spec = {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "sessionAffinity": "None"}
    written = {"kind": "Service", "metadata": {"name": "a"}, "spec": spec}
    assert without_unsaid(written)["spec"] == {
        "clusterIP": "10.0.0.1",
        "clusterIPs": ["10.0.0.1"],
    }
    exported = {**written, "metadata": {"name": "a", "uid": "1"}}
    assert without_unsaid(exported)["spec"] == {}
    headless = {**exported, "spec": {"clusterIP": "None"}}
    assert without_unsaid(headless)["spec"] == {"clusterIP": "None"}


def test_the_token_volume_goes_with_its_mounts() -> None:
    token = {"name": "kube-api-access-x2x9k"}
    mine = {"name": "mine"}
    value = pod(
        volumes=[mine, token],
        containers=[{"name": "c", "volumeMounts": [token, mine]}],
    )
    assert without_unsaid(value)["spec"] == {
        "volumes": [mine],
        "containers": [{"name": "c", "volumeMounts": [mine]}],
    }


# Manifests say these of themselves, and tools that render them write them out.
SAY_NOTHING = {
    "Pod": """
        hostPID: false
        hostIPC: false
        shareProcessNamespace: false
        automountServiceAccountToken: true
        affinity: {}
        imagePullSecrets: []
        hostAliases: null
        priorityClassName: ""
        topologySpreadConstraints: []
        dnsConfig: {options: []}
        os: {name: linux}
        securityContext: {sysctls: [], fsGroupChangePolicy: Always}
        containers:
        - name: c
          image: i
          stdin: false
          volumeDevices: []
          ports: [{containerPort: 80, hostPort: 0, hostIP: ""}]
          resources: {claims: []}
          securityContext: {procMount: Default, seLinuxOptions: {}}
          volumeMounts: [{name: v, mountPath: /v, mountPropagation: None, subPathExpr: ""}]
        volumes: [{name: v}]
        """,
    "Service": """
        externalIPs: []
        loadBalancerIP: ""
        sessionAffinity: None
        sessionAffinityConfig: null
        allocateLoadBalancerNodePorts: true
        ports: [{port: 80, appProtocol: ""}]
        """,
}


@pytest.mark.parametrize("kind", SAY_NOTHING)
def test_a_field_that_says_what_happens_anyway_is_accepted_and_another_value_is_refused(
    kind: str,
) -> None:
    head = f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: a}}\nspec:\n"
    text = head + indent(dedent(SAY_NOTHING[kind]).lstrip(), "  ")
    assert manifests.read([("f", text)], None, "default").faults == []
    for said, other in (
        ("hostPID: false", "hostPID: true"),
        ("affinity: {}", "affinity: {nodeAffinity: {x: 1}}"),
        ("hostPort: 0", "hostPort: 80"),
        ("procMount: Default", "procMount: Unmasked"),
        ('loadBalancerIP: ""', "loadBalancerIP: 10.0.0.1"),
        ("sysctls: []", "sysctls: [{name: a}]"),
        ('appProtocol: ""', "appProtocol: http"),
    ):
        if said in text:
            refused = manifests.read([("f", text.replace(said, other))], None, "default")
            assert len(refused.faults) == 1


@pytest.mark.parametrize("wrong", [None, 7, "text", [], [7]])
def test_values_of_wrong_types_stay_for_the_reader_to_refuse(wrong: Any) -> None:
    value = pod(containers=wrong, volumes=wrong)
    assert without_unsaid(value) == value
    deployment = {"kind": "Deployment", "metadata": wrong, "spec": {"template": wrong}}
    assert without_unsaid(deployment) == deployment
    assert without_unsaid({"kind": "Service", "spec": wrong}) == {"kind": "Service", "spec": wrong}
