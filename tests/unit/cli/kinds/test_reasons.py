"""Why things are as they are: each cause gets a sentence that names it."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.cli.kinds import view_of
from podraft.cli.kinds.pod_reasons import blocked_pods, pod_reasons
from podraft.cli.kinds.services import memberships, service_reasons
from podraft.cli.kinds.view import Need, Surroundings

NOW_S = 1_800_000_000.0
THEN = "2027-01-15T07:50:00Z"


def made(kind: str, name: str, **parts: Any) -> Any:
    versions = {"Event": "events.k8s.io/v1", "EndpointSlice": "discovery.k8s.io/v1"}
    metadata = {"name": name, "namespace": "default", "uid": name} | parts.pop("metadata", {})
    return codec.from_json(
        {"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": metadata, **parts}
    )


def pod(name: str = "web-1", node: str = "n1", container: Any = None, **status: Any) -> Any:
    spec = {"containers": [{"name": "c", "image": "nginx:9"} | (container or {})]}
    if node:
        spec["nodeName"] = node  # type: ignore[assignment]  # a manifest's mapping
    metadata = status.pop("metadata", {"labels": {"app": "web"}})
    return made("Pod", name, spec=spec, status={"phase": "Pending"} | status, metadata=metadata)


def state(**parts: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "c", "image": "nginx:9"} | parts]}


RUNNING = {"state": {"running": {"startedAt": THEN}}, "ready": False, "started": True}
PROBE = {"readinessProbe": {"httpGet": {"path": "/ok", "port": 80}}}
CASES = [
    (
        pod(node="", conditions=[{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient cpu.",
        }]),
        "no node takes it: 0/1 nodes are available: 1 Insufficient cpu.",
    ),
    (pod(node=""), "the scheduler has not looked at it yet"),
    (pod(), "node n1 has not reported its containers yet"),
    (
        pod(**state(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}})),
        "container c waits, ImagePullBackOff (image nginx:9): no such tag",
    ),
    (
        pod(**state(state={"waiting": {"reason": "CrashLoopBackOff"}}, restartCount=3,
                    lastState={"terminated": {"exitCode": 127, "reason": "Error",
                                              "finishedAt": THEN}})),
        "was restarted 3 times; before, it ended with exit code 127, Error 10m ago "
        "(127: its command was not found)",
    ),
    (
        pod(**state(state={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})),
        "used more memory than its limit",
    ),
    (
        pod(container=PROBE, phase="Running", **state(**RUNNING)),
        "its readiness probe fails (http-get http://:80/ok delay=0s",
    ),
    (
        pod(metadata={"deletionTimestamp": "2027-01-15T08:00:20Z",
                      "deletionGracePeriodSeconds": 30}),
        "it is being deleted with 30s to end by itself; it has 20s left",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "says"), CASES, ids=lambda v: v[:30] if isinstance(v, str) else ""
)
def test_each_cause_is_named(subject: Any, says: str) -> None:
    found = pod_reasons(subject, (), None, NOW_S)

    assert any(says in reason for reason in found), found


def test_a_failing_probe_is_explained_by_its_last_event() -> None:
    event = made("Event", "e", reason="Unhealthy", note="HTTP status 503",
                 eventTime="2027-01-15T07:59:50.000000Z")  # fmt: skip
    subject = pod(container=PROBE, phase="Running", **state(**RUNNING))

    (reason,) = pod_reasons(subject, [event], None, NOW_S)

    assert reason.endswith("; 10s ago: HTTP status 503")


def test_what_is_well_needs_no_reason() -> None:
    ready = pod(phase="Running", conditions=[{"type": "Ready", "status": "True"}])

    assert pod_reasons(ready, (), None, NOW_S) == []
    assert pod_reasons(pod(phase="Succeeded"), (), None, NOW_S) == []


def test_pods_with_the_same_reason_are_counted_together_the_commonest_first() -> None:
    waits = state(state={"waiting": {"reason": "ErrImagePull"}})
    pods = [pod("a", **waits), pod("b", **waits), pod("c")]

    blocked = blocked_pods(pods, {}, NOW_S)

    assert [one.pods for one in blocked] == [("a", "b"), ("c",)]
    assert blocked[0].reason.startswith("ErrImagePull: container c waits")


def service(**spec: Any) -> Any:
    return made("Service", "web", spec={"selector": {"app": "web", "tier": "x"}} | spec)


def test_a_service_says_which_pods_get_its_traffic_and_why_others_do_not() -> None:
    slices = [
        made("EndpointSlice", "s", addressType="IPv4", endpoints=[
            {"addresses": ["10.0.0.1"], "conditions": {"ready": True},
             "targetRef": {"kind": "Pod", "name": "a"}},
        ]),
    ]  # fmt: skip
    pods = [pod("a", podIP="10.0.0.1"), pod("b"), pod("c", phase="Failed")]

    found = memberships(service(), pods, slices, NOW_S)

    assert [one.serving for one in found] == [True, False, False]
    assert found[1].reason.startswith("node n1 has not reported")
    assert found[2].reason == "it has ended (Failed)"


def test_a_named_port_that_no_container_has_is_said() -> None:
    ports = [{"port": 80, "targetPort": "http"}]

    (found,) = memberships(service(ports=ports), [pod("a")], [], NOW_S)

    assert found.reason == 'no container of it has a port named "http"'


def test_a_port_of_the_same_name_and_another_protocol_is_none() -> None:
    ports = [{"port": 53, "targetPort": "dns", "protocol": "UDP"}]
    tcp = pod("a")
    tcp.spec.containers[0].ports.add(name="dns", container_port=53, protocol="TCP")

    (found,) = memberships(service(ports=ports), [tcp], [], NOW_S)

    assert found.reason == 'no container of it has a port named "dns" for UDP'


def test_a_selector_that_matches_nothing_names_the_nearest_pod() -> None:
    found = service_reasons(service(), [], [pod("a"), pod("b", metadata={})])

    assert found == [
        "no pod of the namespace has all the labels of its selector",
        "pod a comes nearest; it lacks tier=x (it has none)",
    ]


def explained(obj: Any, **around: Any) -> Any:
    return view_of(kinds.BUILT_IN.of(obj)).why(obj, Surroundings(**around), NOW_S)


def test_a_pod_is_explained_with_the_last_words_of_what_crashed() -> None:
    told = explained(CASES[4][0], last_words={"c": ["one", "two\x1b[31m"]})

    assert (told.word, told.rest) == ("CrashLoopBackOff", " on node n1")
    assert told.lines[-7:-3] == ["", "Last lines of container c:", "  | one", "  | two\\x1b[31m"]
    assert told.lines[-1] == "  it was created with its node; there is no record"


def test_what_is_read_to_explain_a_namespace_depends_on_whether_it_goes() -> None:
    view = view_of(kinds.NAMESPACE)
    stays = codec.from_json({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    goes = codec.from_json(
        {"apiVersion": "v1", "kind": "Namespace",
         "metadata": {"name": "n", "deletionTimestamp": THEN}}
    )  # fmt: skip

    assert view.why_needs(stays) == {Need.EVENTS}
    assert view.why_needs(goes) == {Need.CONTENTS}
    assert explained(goes, contents=[pod("a")]).lines[1] == "What holds it:"


def described(obj: Any) -> list[str]:
    return view_of(kinds.BUILT_IN.of(obj)).describe(obj, Surroundings(), NOW_S)


def test_a_pods_description_shows_states_and_hides_what_was_applied() -> None:
    subject = CASES[4][0]
    subject.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"] = "secret"
    subject.metadata.annotations["team"] = "a"

    text = "\n".join(described(subject))

    assert "Annotations:" in text and "team: a" in text and "secret" not in text
    assert "State:          Waiting: CrashLoopBackOff" in text
    assert "Last State:     Terminated: Error, exit code 127 at Fri, 15 Jan 2027" in text
    assert text.endswith("Events:  <none>")


def test_a_secrets_description_tells_sizes_not_values() -> None:
    secret = made("Secret", "s", data={"password": "aHVudGVyMg=="}, type="Opaque")

    text = "\n".join(described(secret))

    assert "password:  7 bytes" in text
    assert "hunter2" not in text and "aHVudGVyMg" not in text
