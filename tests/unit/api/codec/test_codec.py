"""The codec: objects survive the way to JSON and back; every fault is named exactly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podraft.api import codec
from podraft.api.codec.json_text import JSON_VALUES_MAX
from podraft.api.core.v1 import config_pb2, pod_pb2
from podraft.api.violations import InvalidObjectError, Violation
from support.any_object import TEXTS, objects

SETTINGS = settings(
    max_examples=150,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@SETTINGS
@given(objects())
def test_every_object_survives_json_text(message: Message) -> None:
    text = json.dumps(codec.to_json(message))
    assert codec.from_json(codec.decode_json(text)) == message


@SETTINGS
@given(objects())
def test_json_written_twice_is_the_same(message: Message) -> None:
    written = codec.to_json(message)
    assert codec.to_json(codec.from_json(written)) == written


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@SETTINGS
@given(objects(), st.data())
def test_any_damage_to_a_manifest_is_a_violation_or_an_object(
    message: Message, data: st.DataObject
) -> None:
    manifest = codec.to_json(message)
    place: Any = manifest
    while True:
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(JSON_VALUES)
            break
        place = place[key]
    try:
        codec.from_json(manifest)
    except InvalidObjectError as error:
        assert all(violation.description for violation in error.violations)


# ---- Conventions ------------------------------------------------------------------------------


def pod(spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def container(**fields: Any) -> dict[str, Any]:
    return pod({"containers": [fields]})


def test_an_inlined_message_stands_in_its_parent() -> None:
    manifest = pod({"volumes": [{"name": "v", "configMap": {"name": "settings"}}]})
    message = codec.parse(pod_pb2.Pod, manifest)
    source = message.spec.volumes[0].volume_source.config_map
    assert source.local_object_reference.name == "settings"
    assert codec.to_json(message)["spec"] == manifest["spec"]


@pytest.mark.parametrize(
    "spec",
    [
        {"volumes": [{"name": "v", "emptyDir": {}}]},
        {"securityContext": {}},
        {"terminationGracePeriodSeconds": 0, "hostNetwork": False},
        {"containers": [{"name": "", "tty": False, "env": [{"name": "A", "value": ""}]}]},
    ],
)
def test_empty_zero_and_false_survive_when_they_were_said(spec: dict[str, Any]) -> None:
    assert codec.to_json(codec.from_json(pod(spec)))["spec"] == spec


def test_null_is_unset() -> None:
    message = codec.from_json(pod({"nodeName": None, "containers": None, "nodeSelector": None}))
    assert codec.to_json(message)["spec"] == {}


def test_a_key_of_a_map_whose_value_is_null_is_kept_with_an_empty_value() -> None:
    message = codec.from_json(pod({"nodeSelector": {"disk": None}}))
    assert codec.to_json(message)["spec"] == {"nodeSelector": {"disk": ""}}
    limits = codec.to_json(codec.from_json(container(resources={"limits": {"cpu": None}})))
    assert limits["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "0"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": None}}
    assert codec.to_json(codec.from_json(secret))["data"] == {"a": ""}


@pytest.mark.parametrize(
    ("written", "kept"),
    [("0.5", "500m"), (0.5, "500m"), (2, "2"), (2.0, "2"), ("1024Mi", "1Gi"), ("64Mi", "64Mi")],
)
def test_quantities_are_text_or_numbers_and_become_canonical(written: Any, kept: str) -> None:
    message = codec.from_json(container(resources={"limits": {"cpu": written}}))
    [written_back] = codec.to_json(message)["spec"]["containers"]
    assert written_back["resources"] == {"limits": {"cpu": kept}}


@pytest.mark.parametrize("port", [80, "http", "80"])
def test_int_or_string_keeps_its_type(port: int | str) -> None:
    probe = {"tcpSocket": {"port": port}}
    message = codec.from_json(container(livenessProbe=probe))
    assert codec.to_json(message)["spec"]["containers"][0]["livenessProbe"] == probe


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T04:04:05.75+01:00", "2026-01-02T03:04:05Z"),
    ],
)
def test_times_are_utc_seconds(written: str, kept: str) -> None:
    message = codec.from_json(pod({}, creationTimestamp=written))
    assert codec.to_json(message)["metadata"]["creationTimestamp"] == kept


def test_micro_times_have_microseconds() -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    written = lease | {"spec": {"renewTime": "2026-01-02T03:04:05.123456789Z"}}
    kept = codec.to_json(codec.from_json(written))
    assert kept["spec"]["renewTime"] == "2026-01-02T03:04:05.123456Z"


def test_bytes_are_base64_even_when_wrapped() -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "data": {"k": "aGVs\nbG8=\n"}}
    secret = codec.parse(config_pb2.Secret, manifest)
    assert secret.data["k"] == b"hello"
    assert codec.to_json(secret)["data"] == {"k": "aGVsbG8="}


def test_a_list_says_its_kind_and_its_items_may() -> None:
    items = [{"metadata": {"name": "a"}}, {"apiVersion": "v1", "kind": "Pod"}]
    message = codec.from_json({"apiVersion": "v1", "kind": "PodList", "items": items})
    assert isinstance(message, pod_pb2.PodList)
    assert [item.metadata.name for item in message.items] == ["a", ""]
    written = codec.to_json(pod_pb2.PodList())
    assert written == {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": []}


# ---- Faults -----------------------------------------------------------------------------------

PARTIAL = "unknown field, or one that podraft does not support"
QUANTITY = 'expected a number with an optional suffix, such as "500m", "1.5" or "64Mi"'
TIME = "expected an RFC 3339 time such as 2026-01-02T03:04:05Z"
C = "spec.containers[0]"

FAULTS: list[tuple[dict[str, Any], str, str]] = [
    (container(imag="x"), f"{C}.imag", 'unknown field; did you mean "image"?'),
    (container(tty="yes"), f"{C}.tty", 'expected boolean, got string "yes"'),
    (container(name=5), f"{C}.name", "expected string, got integer 5 (put it in quotes)"),
    (container(name=["a"]), f"{C}.name", "expected string, got list"),
    (container(command="run"), f"{C}.command", 'expected list, got string "run"'),
    (container(command=["run", None]), f"{C}.command[1]", "expected string, got null"),
    (container(ports=[3]), f"{C}.ports[0]", "expected object, got integer 3"),
    (
        container(ports=[{}, {"containerPort": "abc"}]),
        f"{C}.ports[1].containerPort",
        'expected integer, got string "abc"',
    ),
    (
        container(ports=[{"containerPort": 80.5}]),
        f"{C}.ports[0].containerPort",
        "expected integer, got number 80.5",
    ),
    (
        container(ports=[{"containerPort": True}]),
        f"{C}.ports[0].containerPort",
        "expected integer, got boolean true",
    ),
    (
        container(ports=[{"containerPort": 2**31}]),
        f"{C}.ports[0].containerPort",
        "out of range for int32: 2147483648",
    ),
    (
        pod({"activeDeadlineSeconds": -(2**63) - 1}),
        "spec.activeDeadlineSeconds",
        "out of range for int64: -9223372036854775809",
    ),
    (
        container(resources={"limits": {"cpu": "1x"}}),
        f"{C}.resources.limits[cpu]",
        f'{QUANTITY}, got string "1x"',
    ),
    (
        container(resources={"limits": {"cpu": [1]}}),
        f"{C}.resources.limits[cpu]",
        "expected quantity, got list",
    ),
    (
        container(livenessProbe={"tcpSocket": {"port": 1.5}}),
        f"{C}.livenessProbe.tcpSocket.port",
        "expected integer, got number 1.5",
    ),
    (
        container(livenessProbe={"tcpSocket": {"port": {}}}),
        f"{C}.livenessProbe.tcpSocket.port",
        "expected integer or string, got object",
    ),
    (
        pod({}, labels={"a": True}),
        "metadata.labels[a]",
        "expected string, got boolean true (put it in quotes)",
    ),
    (pod({}, labels=["a"]), "metadata.labels", "expected object, got list"),
    (
        pod({}, creationTimestamp="yesterday"),
        "metadata.creationTimestamp",
        f'{TIME}, got string "yesterday"',
    ),
    (
        pod({}, creationTimestamp="2026-02-30T00:00:00Z"),
        "metadata.creationTimestamp",
        f'{TIME}, got string "2026-02-30T00:00:00Z"',
    ),
    (
        {"apiVersion": "v1", "kind": "Secret", "data": {"k": "###"}},
        "data[k]",
        "expected base64, got other text (stringData takes plain text)",
    ),
    (
        {"apiVersion": "v1", "kind": "Secret", "data": {"k": 5}},
        "data[k]",
        "expected base64 string, got integer 5",
    ),
    (
        {"apiVersion": "v1", "kind": "Secret", "data": {5: "eA=="}},
        "data[5]",
        "expected string, got integer 5 (put it in quotes)",
    ),
    (
        {"apiVersion": "v1", "kind": "Pood"},
        "kind",
        'unknown kind "Pood" in "v1", or one that podraft does not support; did you mean "Pod"?',
    ),
    (
        {"apiVersion": "v1", "kind": "Deployment"},
        "apiVersion",
        'kind Deployment has the apiVersion "apps/v1", got "v1"',
    ),
    ({"kind": "Pod"}, "apiVersion", 'is required, for example "apps/v1"'),
    ({"apiVersion": 1, "kind": "Pod"}, "apiVersion", "expected string, got integer 1"),
    (
        {"apiVersion": "v1", "kind": "PodList", "items": [{"kind": "Node"}]},
        "items[0].kind",
        'expected "Pod", got string "Node"',
    ),
    (
        {"apiVersion": "v1", "kind": "PodList", "items": {}},
        "items",
        "expected list, got object",
    ),
]


@pytest.mark.parametrize(("manifest", "field", "description"), FAULTS)
def test_a_fault_is_named_exactly(manifest: dict[str, Any], field: str, description: str) -> None:
    with pytest.raises(InvalidObjectError) as caught:
        codec.from_json(manifest)
    assert caught.value.violations == (Violation(field, description),)


def test_all_faults_are_found_at_once() -> None:
    manifest = pod({"containers": [{"name": 1}, {"tty": 2}], "affinities": {}}, generation="x")
    with pytest.raises(InvalidObjectError) as caught:
        codec.from_json(manifest)
    assert {violation.field for violation in caught.value.violations} == {
        "spec.containers[0].name",
        "spec.containers[1].tty",
        "spec.affinities",
        "metadata.generation",
    }


def test_an_unsupported_field_is_said_to_be_one_of_kubernetes_or_unknown() -> None:
    with pytest.raises(InvalidObjectError) as caught:
        codec.from_json(pod({}, selfLink="/api/v1/pods/a"))
    [violation] = caught.value.violations
    assert violation.field == "metadata.selfLink"
    assert violation.description.startswith(PARTIAL)


def test_the_path_of_a_part_begins_its_violations() -> None:
    with pytest.raises(InvalidObjectError) as caught:
        codec.parse(pod_pb2.PodSpec, {"nodeName": 1}, "spec.template.spec")
    assert caught.value.violations[0].field == "spec.template.spec.nodeName"


def test_the_number_of_violations_is_bounded() -> None:
    with pytest.raises(InvalidObjectError) as caught:
        codec.from_json(pod({"containers": list(range(5000))}))
    assert len(caught.value.violations) == 100


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[]", "expected object, got list"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": 1, "a": 2}', 'the key "a" stands twice'),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": "' + b"x" * codec.JSON_BYTES_MAX + b'"}', "larger than"),
    ],
)
def test_json_text_is_bounded_and_strict(text: bytes, problem: str) -> None:
    with pytest.raises(InvalidObjectError, match=problem):
        codec.decode_json(text)


def test_text_that_utf_8_cannot_encode_is_a_violation() -> None:
    manifest = codec.decode_json(
        '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\\ud800"}}'
    )
    with pytest.raises(InvalidObjectError) as caught:
        codec.from_json(manifest)
    expected = "expected text, got characters that UTF-8 cannot encode"
    assert caught.value.violations == (Violation("metadata.name", expected),)


def test_json_of_very_many_values_is_refused_before_it_is_read():
    many = 2 * JSON_VALUES_MAX
    lists, pairs, numbers = "[]," * many + "[]", '"a":1,' * many + '"b":1', "1," * many + "1"
    for value in (f"[{lists}]", f"{{{pairs}}}", f"[{numbers}]"):
        with pytest.raises(InvalidObjectError, match=r"more than 50000 values"):
            codec.decode_json('{"a":' + value + "}")


def test_what_stands_in_texts_is_no_value():
    text = json.dumps({"data": {"a": '[{"b\\":1},{}]' * 60_000, "c\\": "\\"}})
    assert codec.decode_json(text) == json.loads(text)


def test_numbers_that_no_field_holds_are_refused_before_they_are_read():
    for number in ("1" * 5_000, "1." + "1" * 5_000):
        with pytest.raises(InvalidObjectError, match="no field holds it"):
            codec.decode_json('{"a":' + number + "}")
