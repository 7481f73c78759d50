"""Reading manifests: what is accepted, and where each fault is said to be."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from podraft.api import kinds
from podraft.cli.manifests import items as manifests
from podraft.cli.manifests import lines

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: nginx
"""


def read(text: str, namespace: str | None = None, **options: bool) -> manifests.Reading:
    return manifests.read([("web.yaml", dedent(text))], namespace, "default", **options)


def faults(text: str, namespace: str | None = None) -> list[str]:
    reading = read(text, namespace)
    return reading.faults


def test_documents_of_a_stream_are_read_in_order_and_empty_ones_are_no_fault() -> None:
    reading = read(f"---\n# nothing\n---\n{WEB}---\n{WEB.replace('name: web', 'name: two')}---\n")

    assert reading.faults == []
    assert [item.word for item in reading.items] == ["deployment.apps/web", "deployment.apps/two"]
    assert [item.line for item in reading.items] == [4, 20]


def test_a_list_is_its_items_whether_generic_or_of_a_kind() -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    for kind in ("List", "ConfigMapList"):
        text = json.dumps({"apiVersion": "v1", "kind": kind, "items": [config_map]}, indent="\t")
        reading = manifests.read([("a.json", text)], None, "default")

        assert reading.faults == []
        assert [(i.kind, i.name) for i in reading.items] == [(kinds.CONFIG_MAP, "a")]


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("replicas: 2", "replicas: two"), 6, 'spec.replicas: expected integer, got string "two"'),
        (("replicas: 2", "replcas: 2"), 6, "spec.replcas: unknown field"),
        (("image: nginx", "imag: nginx"), 15, 'did you mean "image"?'),
        (("kind: Deployment", "kind: Deploymint"), 2, 'did you mean "Deployment"?'),
        (("kind: Deployment\n", ""), 1, "kind: is required"),
        (("apiVersion: apps/v1", "apiVersion: v1"), 1, 'has the apiVersion "apps/v1"'),
        (("  name: web\n", ""), 3, "metadata.name: is required"),
        (("replicas: 2", "replicas: 2\n  replicas: 3"), 7, 'the key "replicas" stands twice'),
        (("spec:\n  replicas", "spec: [\n  replicas"), None, "not valid YAML"),
        (("matchLabels: {app: web}", "matchLabels: {app: 1}"), 8, "put it in quotes"),
        (("replicas: 2", "replicas: !!python/none 2"), 6, "unknown tag"),
        (("name: web\nspec", "name: web\n  namespace: other\nspec"), 5, '--namespace says "mine"'),
    ],
)
def test_a_fault_is_said_with_its_file_and_line(
    change: tuple[str, str], line: int | None, says: str
) -> None:
    assert change[0] in WEB
    found = faults(WEB.replace(*change, 1), namespace="mine")

    assert len(found) >= 1
    assert says in found[0]
    assert found[0].startswith(f"web.yaml:{line}: " if line else "web.yaml:")


def test_faults_of_all_documents_are_said_at_once() -> None:
    broken = WEB.replace("replicas: 2", "replicas: two")

    assert [f.partition(": ")[0] for f in faults(f"{broken}---\n{broken}")] == [
        "web.yaml:6",
        "web.yaml:22",
    ]


def test_an_object_larger_than_any_server_takes_is_a_fault_of_its_own() -> None:
    large = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"}}
    [fault] = faults(f"{WEB}---\n{json.dumps({**large, 'data': {'a': 'x' * 10_000_000}})}\n")

    assert fault.startswith('web.yaml:17: ConfigMap "large": the object has 10,000,0')
    assert fault.endswith(" bytes: expected at most 1,572,864")


def test_the_same_object_twice_is_a_fault_that_names_both_places() -> None:
    assert faults(f"{WEB}---\n{WEB}") == [
        "web.yaml:17: deployment.apps/web was already declared at web.yaml:1"
    ]


def test_an_object_without_a_namespace_gets_the_one_asked_for_or_the_default() -> None:
    assert read(WEB).items[0].namespace == "default"
    assert read(WEB, "mine").items[0].namespace == "mine"


@pytest.mark.parametrize("asked_for", [None, "mine"])
def test_the_namespace_of_a_kind_without_one_is_ignored_with_a_warning(
    asked_for: str | None,
) -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  namespace: b\n"

    reading = read(text, asked_for)

    assert reading.faults == []
    assert (reading.items[0].namespace, reading.items[0].value["metadata"]) == ("", {"name": "a"})
    assert reading.warnings == [
        'web.yaml:5: Namespace "a": metadata.namespace: '
        "a Namespace belongs to no namespace, ignored"
    ]


def test_ignoring_fields_without_effect_hides_no_other_fault() -> None:
    text = WEB.replace("replicas: 2", "replicas: two")
    text = text.replace("      containers:", "      dnsPolicy: None\n      containers:")

    reading = read(text, ignore_unsupported=True)

    assert ["spec.replicas" in fault for fault in reading.faults] == [True]


LEASE = """\
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: leader
spec:
  holderIdentity: a
  strategy: OldestEmulationVersion
"""
NO_CANDIDATES = "nobody chooses among candidates, a lease belongs to whoever takes it"


def test_a_field_without_effect_is_refused_with_the_reason_and_its_line() -> None:
    assert faults(LEASE) == [
        'web.yaml:7: Lease "leader": spec.strategy: podraft does not act on it: ' + NO_CANDIDATES
    ]


def test_a_field_without_effect_is_stored_with_a_warning_when_asked() -> None:
    reading = read(LEASE, ignore_unsupported=True)

    assert reading.faults == []
    assert reading.warnings == [
        'web.yaml:7: Lease "leader": spec.strategy: stored, but podraft does not act on it: '
        + NO_CANDIDATES
    ]
    assert reading.items[0].value["spec"]["strategy"] == "OldestEmulationVersion"


def test_a_field_that_nobody_has_stays_a_fault_when_unsupported_ones_are_ignored() -> None:
    reading = read(WEB.replace("replicas: 2", "replcas: 2"), ignore_unsupported=True)

    assert (len(reading.faults), reading.warnings) == (1, [])
    assert "spec.replcas: unknown field" in reading.faults[0]


def test_an_old_manifest_is_read_in_its_present_form_with_a_warning() -> None:
    old = WEB.replace("apps/v1", "extensions/v1beta1").replace("    matchLabels: {app: web}\n", "")
    reading = read(old.replace("  selector:\n", ""))

    assert reading.faults == []
    assert reading.warnings == [
        'web.yaml:1: Deployment "web": apiVersion: extensions/v1beta1 Deployment is an old form, '
        "read as apps/v1 Deployment"
    ]
    [item] = reading.items
    assert item.kind is kinds.DEPLOYMENT
    assert dict(item.message.spec.selector.match_labels) == {"app": "web"}
    assert item.message.spec.strategy.rolling_update.max_surge.int_val == 1


CORE_EVENT = """\
apiVersion: v1
kind: Event
metadata: {name: a}
involvedObject: {kind: Pod, name: web-1}
message: it is there
"""


def test_another_form_of_a_stored_kind_is_read_as_what_is_stored() -> None:
    reading = read(CORE_EVENT)
    assert (reading.faults, reading.warnings) == ([], [])
    [item] = reading.items
    assert (item.kind, item.value["apiVersion"]) == (kinds.EVENT, "events.k8s.io/v1")
    assert (item.message.note, item.message.regarding.name) == ("it is there", "web-1")
    assert faults(CORE_EVENT.replace("name: web-1", "name: 1")) == [
        'web.yaml:4: Event "a": involvedObject.name: expected string, got integer 1 '
        "(put it in quotes)"
    ]


def test_faults_of_an_old_manifest_stand_on_its_own_lines() -> None:
    old = WEB.replace("apps/v1", "extensions/v1beta1").replace("replicas: 2", "replicas: two")
    assert [fault.partition(" Dep")[0] for fault in faults(old)] == ["web.yaml:6:"]


def test_scalars_mean_what_they_mean_to_kubectl() -> None:
    text = """\
        apiVersion: v1
        kind: Pod
        metadata:
          name: a
          annotations: {time: 12:30, date: 2024-01-01, key.with/dots: "yes", "y": "y"}
        spec:
          hostNetwork: yes
          terminationGracePeriodSeconds: 1e1
          volumes:
          - {name: v, configMap: {name: c, defaultMode: 0644}}
          containers:
          - {name: a, image: b, resources: {requests: {cpu: 0.5, memory: 1_024}}}
        """
    pod = read(text).items[0].message

    assert dict(pod.metadata.annotations) == {
        "time": "12:30",
        "date": "2024-01-01",
        "key.with/dots": "yes",
        "y": "y",
    }
    assert pod.spec.host_network is True
    assert pod.spec.termination_grace_period_seconds == 10
    assert pod.spec.volumes[0].volume_source.config_map.default_mode == 0o644
    requests = pod.spec.containers[0].resources.requests
    assert (requests["cpu"].string, requests["memory"].string) == ("500m", "1024")


def test_anchors_and_merge_keys_are_resolved() -> None:
    text = """\
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: a, labels: &l {x: "1", z: "2"}, annotations: {<<: *l, z: "3"}}
        """
    metadata = read(text).items[0].message.metadata

    assert dict(metadata.annotations) == {"x": "1", "z": "3"}


def test_a_document_that_blows_up_through_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    (fault,) = faults("\n".join(lines))

    assert "aliases make too much of this text" in fault


def test_a_mapping_that_contains_itself_is_refused() -> None:
    (fault,) = faults("a: &a\n  b: *a\n")

    assert fault == "web.yaml:2: *a stands in what it is an alias of"


def test_deep_nesting_is_refused_not_crashed_on() -> None:
    (fault,) = faults("[" * 50_000)

    assert fault.startswith("web.yaml:1: ")


def test_what_is_no_object_is_said_to_be_none() -> None:
    assert faults("- a\n- b\n") == ["web.yaml:1: expected an object with apiVersion and kind"]
    assert faults("just text\n") == ["web.yaml:1: expected an object with apiVersion and kind"]


def test_a_secrets_string_data_is_compared_as_the_server_stores_it() -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n"

    value = read(text).items[0].value

    assert value["data"] == {"a": "Yg=="}
    assert "stringData" not in value


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("spec.ports[0].name", ("spec", "ports", 0, "name")),
        ("metadata.labels[app.example.com/name]", ("metadata", "labels", "app.example.com/name")),
        ("", ()),
    ],
)
def test_paths_of_violations_are_taken_apart(path: str, parts: tuple[str | int, ...]) -> None:
    assert lines.parts_of(path) == parts
