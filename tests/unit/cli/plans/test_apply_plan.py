"""What `apply` sends, in which order, and what it says came of it."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

from podraft.api import codec, kinds
from podraft.api.ownership import applying, tracking
from podraft.api.ownership.holdings import COMMAND, Writer
from podraft.cli.manifests import items as manifests
from podraft.cli.plans import apply_plan, refusals
from podraft.cli.plans.apply_plan import ForeseenConflictsError, Terms
from podraft.client.errors import AlreadyExistsError, ConflictError, FieldViolation

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
TEXT = """apiVersion: v1
kind: ConfigMap
metadata:
  name: m
data:
  a: "1"
  b: "2"
"""


def item_of(value: dict[str, Any] | str) -> manifests.Item:
    text = value if isinstance(value, str) else json.dumps(value)
    reading = manifests.read([("f", text)], None, "default")
    assert reading.faults == []
    return reading.items[0]


def live_of(item: manifests.Item, manager: str = COMMAND) -> Any:
    """Return an object as the server has it after its manifest was applied."""
    stated = apply_plan.configuration(item)
    done = applying.created(item.kind, stated, Writer(manager, item.kind.api_version))
    live = item.kind.message()
    live.CopyFrom(stated)
    applying.record(None, live, done, 1)
    return live


def changed(live: Any, manager: str, patch: dict[str, Any]) -> Any:
    kind = kinds.BUILT_IN.of(live)
    updated = codec.parse(kind.message, codec.merge_patch(codec.to_json(live), patch))
    tracking.record_update(kind, live, updated, Writer(manager, kind.api_version), 3)
    return updated


def test_a_configuration_is_what_the_author_said_and_nothing_else() -> None:
    exported = json.loads(json.dumps(DEPLOYMENT))
    exported["metadata"] |= {
        "uid": "u-1",
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": "x", "operation": "Apply", "fieldsV1": {"f:spec": {}}}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    exported["status"] = {"replicas": 2}
    stated = apply_plan.configuration(item_of(exported))
    assert stated == apply_plan.configuration(item_of(DEPLOYMENT))
    assert stated.metadata.namespace == "default"
    assert not stated.HasField("status")


def test_a_secrets_text_is_stated_as_the_data_that_is_stored() -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    stated = apply_plan.configuration(item_of({**manifest, "stringData": {"a": "x"}}))
    assert (dict(stated.data), dict(stated.string_data)) == ({"a": b"x"}, {})


def test_what_others_live_in_is_written_first() -> None:
    names = ("Deployment", "ConfigMap", "Namespace")
    written = apply_plan.in_order(item_of(minimal(name)) for name in names)
    assert [item.kind.name for item in written] == ["Namespace", "ConfigMap", "Deployment"]
    writes = apply_plan.writes_of(written, Terms(force=True), only_create=True)
    assert all(write.apply.force and write.apply.only_create for write in writes)


def minimal(kind: str) -> dict[str, Any]:
    if kind == "Deployment":
        return DEPLOYMENT
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": kind.lower()}}


@pytest.mark.parametrize(
    ("live", "stored", "revision", "outcome"),
    [
        (None, "5", "5", "created"),
        ("4", "5", "5", "configured"),
        ("4", "4", "4", "unchanged"),
        ("4", "4", "9", "unchanged"),
        # Somebody else has written in between, and applying changed nothing.
        ("4", "6", "9", "unchanged"),
        # A dry run has no revision, nor has what it would write.
        (None, "", "", "created"),
        ("4", "", "", "configured"),
        ("4", "4", "", "unchanged"),
    ],
)
def test_an_object_was_configured_exactly_if_the_commit_wrote_it(
    live: str | None, stored: str, revision: str, outcome: str
) -> None:
    def config_map(version: str) -> Any:
        obj = kinds.CONFIG_MAP.message()
        obj.metadata.resource_version = version
        return obj

    before = None if live is None else config_map(live)
    assert apply_plan.outcome(before, config_map(stored), revision) == outcome


def test_without_the_server_it_is_told_what_would_become_of_an_object() -> None:
    item = item_of(DEPLOYMENT)
    live = live_of(item)
    scaled = json.loads(json.dumps(DEPLOYMENT))
    scaled["spec"]["replicas"] = 3
    for value, before, outcome in (
        (DEPLOYMENT, None, "created"),
        (DEPLOYMENT, live, "unchanged"),
        (scaled, live, "configured"),
    ):
        (action,) = apply_plan.foreseen([(item_of(value), before)], Terms())
        assert action.outcome == outcome


def test_a_foreseen_conflict_names_file_line_and_manager() -> None:
    item = item_of(TEXT)
    live = changed(live_of(item), "editor", {"data": {"b": "9"}})
    with pytest.raises(ForeseenConflictsError) as found:
        apply_plan.foreseen([(item, live)], Terms())
    error = str(refusals.foreseen(found.value, [item]))
    assert 'f:7: configmap/m: data[b]: belongs to the manager "editor"' in error
    assert "--force-conflicts" in error
    (action,) = apply_plan.foreseen([(item, live)], Terms(force=True))
    assert action.outcome == "configured"


def test_a_conflict_that_the_server_finds_is_shown_at_its_line() -> None:
    violation = FieldViolation("writes[0].data[b]", 'belongs to the manager "editor"')
    error = ConflictError(grpc.StatusCode.ABORTED, "", (violation,))
    shown = str(refusals.located(error, [item_of(TEXT)]))
    assert 'f:7: configmap/m: data[b]: belongs to the manager "editor"' in shown
    assert "--force-conflicts" in shown


def test_an_object_that_exists_is_named_where_it_was_to_be_made() -> None:
    message = 'writes[0]: configmaps "m" in namespace "default" already exists'
    error = AlreadyExistsError(grpc.StatusCode.ALREADY_EXISTS, message)
    shown = str(refusals.located(error, [item_of(TEXT)], "nothing was created"))
    assert "nothing was created" in shown
    assert 'f:1: configmap/m: configmaps "m"' in shown
    assert "--force-conflicts" not in shown
