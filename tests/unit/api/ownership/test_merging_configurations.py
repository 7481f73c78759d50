"""Applying, case by case: elements of lists, defaults, one of several, conflicts, earlier notes."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.api.objects.well_known import APPLIED_FIELDS, KUBECTL_LAST_APPLIED
from podraft.api.ownership import applying, holdings, tracking
from podraft.api.ownership.applying import ConflictsError
from podraft.api.ownership.field_set import to_json
from podraft.api.ownership.holdings import APPLY, UPDATE, Writer

API = "apps/v1"


def read(manifest: dict[str, Any]) -> Any:
    return codec.from_json(manifest)


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": list(containers)}} if containers else {}
    body = {"template": template, **spec} if template else spec
    return {"apiVersion": API, "kind": "Deployment", "metadata": {"name": "d"}, "spec": body}


def applied(live: Any, manifest: dict[str, Any], manager: str = "podraft", **how: Any) -> Any:
    """Return the object after a manifest was applied to it."""
    kind = kinds.DEPLOYMENT
    configuration, writer = read(manifest), Writer(manager, API)
    if live is None:
        done = applying.created(kind, configuration, writer)
    else:
        done = applying.apply(kind, live, configuration, writer, **how)
    updated = type(done.object)()
    updated.CopyFrom(done.object)
    applying.record(live, updated, done, 7)
    return updated


def changed(live: Any, manager: str, patch: dict[str, Any]) -> Any:
    """Return the object after another manager patched it."""
    value = codec.merge_patch(codec.to_json(live), patch)
    updated = read(value)
    tracking.record_update(kinds.DEPLOYMENT, live, updated, Writer(manager, API), 8)
    return updated


def containers(obj: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = codec.to_json(obj)["spec"]["template"]["spec"]["containers"]
    return found


A = {"name": "a", "image": "a:1"}
B = {"name": "b", "image": "b:1"}
C = {"name": "c", "image": "c:1"}
D = {"name": "d", "image": "d:1"}


def with_sidecar(live: Any) -> Any:
    """Return the object after somebody put a container between those that were applied."""
    between = [containers(live)[0], B, *containers(live)[1:]]
    return changed(live, "mesh", {"spec": {"template": {"spec": {"containers": between}}}})


@pytest.mark.parametrize(
    ("now", "names"),
    [
        ([A, C], "abc"),
        ([C, A], "bca"),
        ([A], "ab"),
        ([A, D, C], "adbc"),
        ([D, A, C], "dabc"),
        ([C], "bc"),
        ([D], "db"),
    ],
)
def test_elements_stand_in_the_stated_order_and_those_of_others_where_they_were(
    now: list[dict[str, Any]], names: str
) -> None:
    live = with_sidecar(applied(None, deployment(A, C)))
    once = applied(live, deployment(*now))
    assert "".join(one["name"] for one in containers(once)) == names
    again = applied(once, deployment(*now))
    assert again == once


def test_what_others_added_to_an_element_keeps_it_when_it_is_no_longer_stated() -> None:
    live = applied(None, deployment(A, C))
    tuned = [A, {**C, "tty": True}]
    live = changed(live, "tuner", {"spec": {"template": {"spec": {"containers": tuned}}}})
    assert containers(applied(live, deployment(A))) == [A, {"name": "c", "tty": True}]


def test_what_defaulting_added_to_a_part_goes_with_the_part() -> None:
    probe = {"httpGet": {"port": 80}}
    live = applied(None, deployment({**A, "livenessProbe": probe}))
    live.spec.template.spec.containers[0].liveness_probe.period_seconds = 10
    assert containers(applied(live, deployment(A))) == [A]


def test_defaults_stay_in_a_part_that_is_still_stated() -> None:
    first = {"httpGet": {"port": 80}, "timeoutSeconds": 3}
    live = applied(None, deployment({**A, "livenessProbe": first}))
    live.spec.template.spec.containers[0].liveness_probe.period_seconds = 10
    now = applied(live, deployment({**A, "livenessProbe": {"httpGet": {"port": 80}}}))
    assert containers(now)[0]["livenessProbe"] == {"httpGet": {"port": 80}, "periodSeconds": 10}


def test_a_port_is_the_same_with_its_default_protocol_and_without() -> None:
    live = applied(None, deployment({**A, "ports": [{"containerPort": 80}]}))
    live.spec.template.spec.containers[0].ports[0].protocol = "TCP"
    port = {"containerPort": 80, "name": "http"}
    now = applied(live, deployment({**A, "ports": [port]}))
    assert containers(now)[0]["ports"] == [{**port, "protocol": "TCP"}]


def test_saying_another_of_several_things_drops_the_one() -> None:
    value = {"name": "X", "value": "1"}
    source = {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    live = applied(None, deployment({**A, "env": [value]}))
    assert containers(applied(live, deployment({**A, "env": [source]})))[0]["env"] == [source]


def test_elements_that_cannot_be_told_apart_are_one_value() -> None:
    twice = [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]
    live = applied(None, deployment({**A, "env": twice}))
    assert containers(live)[0]["env"] == twice
    now = applied(live, deployment({**A, "env": twice[1:]}))
    assert containers(now)[0]["env"] == twice[1:]


def test_another_spelling_of_a_value_is_no_conflict_and_changes_nothing() -> None:
    def limited(cpu: str) -> dict[str, Any]:
        return deployment({**A, "resources": {"limits": {"cpu": cpu}}})

    live = applied(None, limited("1"), "first")
    now = applied(live, limited("1000m"), "second")
    assert containers(now) == containers(live)
    with pytest.raises(ConflictsError):
        applied(live, limited("2"), "second")


def test_a_conflict_names_the_field_and_who_has_it() -> None:
    live = changed(applied(None, deployment(A, replicas=1)), "scaler", {"spec": {"replicas": 5}})
    with pytest.raises(ConflictsError) as error:
        applied(live, deployment({**A, "image": "a:2"}, replicas=1))
    (conflict,) = error.value.conflicts
    assert conflict.path == ("f:spec", "f:replicas")
    assert conflict.holding.writer.manager == "scaler"
    assert (conflict.holding.operation, conflict.holding.seconds) == (UPDATE, 8)


def test_the_same_value_is_no_conflict_and_has_two_owners() -> None:
    live = applied(applied(None, deployment(A, replicas=3), "a"), deployment(replicas=3), "b")
    left = applied(live, deployment(A), "a")
    assert left.spec.replicas == 3
    gone = applied(left, deployment(), "b")
    assert not gone.spec.HasField("replicas")


def test_force_takes_the_field_and_leaves_the_others() -> None:
    live = applied(None, deployment(A, replicas=1, paused=True), "a")
    now = applied(live, deployment(replicas=2), "b", force=True)
    assert (now.spec.replicas, now.spec.paused) == (2, True)
    left = applied(now, deployment(A), "a")
    assert left.spec.replicas == 2
    assert not left.spec.HasField("paused")


def test_a_manager_is_in_no_conflict_with_its_own_updates() -> None:
    live = changed(applied(None, deployment(A, replicas=1)), "podraft", {"spec": {"replicas": 5}})
    back = applied(live, deployment(A, replicas=1))
    assert back.spec.replicas == 1
    live = changed(back, "podraft", {"spec": {"replicas": 5}})
    assert not applied(live, deployment(A)).spec.HasField("replicas")


def test_what_nobody_owns_is_taken_and_what_is_not_stated_stays() -> None:
    live = read(deployment(A, replicas=5, paused=True))
    now = applied(live, deployment({**A, "image": "a:2"}, replicas=1))
    assert (now.spec.replicas, now.spec.paused) == (1, True)
    assert containers(now)[0]["image"] == "a:2"


def test_who_states_a_part_of_a_strangers_object_takes_back_no_more_than_that() -> None:
    live = read(deployment(A, replicas=5, paused=True))
    inner = {"spec": {"securityContext": {"runAsUser": 1}}}
    now = applied(live, deployment(template=inner, replicas=6), "part")
    assert (now.spec.replicas, now.spec.template.spec.security_context.run_as_user) == (6, 1)
    left = applied(now, {**deployment(), "spec": {}}, "part")
    assert containers(left) == [A]
    assert left.spec.paused
    assert not left.spec.template.spec.HasField("security_context")
    assert not left.spec.HasField("replicas")


def kubectl_note(manifest: dict[str, Any]) -> dict[str, str]:
    return {KUBECTL_LAST_APPLIED: json.dumps(manifest)}


def podraft_note(_: dict[str, Any]) -> dict[str, str]:
    shape = {
        "metadata": {"name": 1},
        "spec": {
            "replicas": 1,
            "template": {
                "spec": {
                    "containers": [
                        {"name": "a", "image": 1, "env": [{"name": "X", "value": 1}]},
                        {"name": "c", "image": 1},
                    ]
                }
            },
        },
    }
    return {APPLIED_FIELDS: json.dumps(shape)}


def packed_note(manifest: dict[str, Any]) -> dict[str, str]:
    text = podraft_note(manifest)[APPLIED_FIELDS].encode()
    return {APPLIED_FIELDS: f"zlib:{base64.b64encode(zlib.compress(text)).decode()}"}


@pytest.mark.parametrize("note", [kubectl_note, podraft_note, packed_note])
def test_what_an_earlier_apply_noted_is_removed_and_nothing_else(note: Any) -> None:
    said = deployment({**A, "env": [{"name": "X", "value": "1"}]}, C, replicas=2)
    live = read(said)
    live.metadata.annotations.update({**note(said), "mine": "1"})
    live.spec.paused = True
    live.spec.template.spec.containers[0].env.add(name="Y", value="2")
    now = applied(live, deployment(A))
    assert containers(now) == [{**A, "env": [{"name": "Y", "value": "2"}]}]
    assert not now.spec.HasField("replicas")
    assert now.spec.paused
    assert dict(now.metadata.annotations) == {"mine": "1"}
    assert applied(now, deployment(A)) == now


def test_a_note_counts_although_somebody_else_applied_since() -> None:
    said = deployment(A, replicas=2)
    live = read(said)
    live.metadata.annotations.update(kubectl_note(said))
    live = applied(live, deployment(paused=True), "other")
    assert KUBECTL_LAST_APPLIED in live.metadata.annotations
    now = applied(live, deployment(A))
    assert (now.spec.HasField("replicas"), now.spec.paused) == (False, True)


@pytest.mark.parametrize("note", ["{not json", "[]", "7", "zlib:!", '{"spec": [[[[]]]]}', "{}"])
def test_a_note_that_makes_no_sense_counts_as_empty(note: str) -> None:
    live = read(deployment(A, replicas=2))
    live.metadata.annotations[APPLIED_FIELDS] = note
    now = applied(live, deployment(A))
    assert now.spec.replicas == 2
    assert not now.metadata.annotations


def test_the_type_of_a_service_takes_its_fields_with_it_whoever_has_them() -> None:
    def service(**spec: Any) -> Any:
        ports = [{"port": 80}]
        metadata = {"name": "s"}
        value = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
        return read({**value, "spec": {"ports": ports, **spec}})

    live = service(type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    tracking.record_create(kinds.SERVICE, live, live, Writer("maker", "v1"), 1)
    writer = Writer("podraft", "v1")
    done = applying.apply(kinds.SERVICE, live, service(type="ClusterIP"), writer, force=True)
    assert not done.object.spec.ports[0].HasField("node_port")


def test_managed_fields_have_kubernetes_form() -> None:
    manifest = deployment({**A, "args": ["x"], "ports": [{"containerPort": 80}]}, replicas=2)
    manifest["metadata"]["labels"] = {"app": "d"}
    live = applied(None, manifest)
    (entry,) = live.metadata.managed_fields
    assert (entry.manager, entry.operation, entry.api_version) == ("podraft", APPLY, API)
    assert (entry.fields_type, entry.time.seconds) == ("FieldsV1", 7)
    assert to_json(holdings.read([entry])[0].fields) == {
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:template": {
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"a"}': {
                            ".": {},
                            "f:name": {},
                            "f:image": {},
                            "f:args": {},
                            "f:ports": {
                                'k:{"containerPort":80,"protocol":"TCP"}': {
                                    ".": {},
                                    "f:containerPort": {},
                                }
                            },
                        }
                    }
                }
            },
        },
    }
    shown = codec.to_json(live)["metadata"]["managedFields"][0]
    assert codec.parse(type(entry), shown) == entry
