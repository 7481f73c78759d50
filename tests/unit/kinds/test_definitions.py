"""Definitions of kinds: what they say by default, what of them stays, and what schemas may say."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.api.violations import InvalidObjectError
from podraft.server import kinds as rooms
from podraft.server.kinds.apiextensions.patterns import matches
from podraft.server.kinds.rooms import rules_of
from support.api_objects import example

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KIND = kinds.CUSTOM_RESOURCE_DEFINITION


def created(proposed: Any = None) -> Any:
    """Return a definition as the server stores it."""
    if proposed is None:
        proposed = example(KIND, "widgets")
    return rooms.prepare_create(
        KIND, proposed, now=NOW, uid="u", name_suffix="", known=kinds.BUILT_IN
    )


def with_schema(schema: dict[str, Any]) -> Any:
    manifest = codec.to_json(example(KIND, "widgets"))
    manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    return codec.from_json(manifest)


def test_names_and_conversion_are_filled_in() -> None:
    spec = created().spec
    assert (spec.names.singular, spec.names.list_kind) == ("widgets", "WidgetsList")
    assert spec.conversion.strategy == "None"


def test_the_version_in_which_objects_are_stored_is_noted() -> None:
    assert list(created().status.stored_versions) == ["v1"]


def test_a_kind_holds_each_of_its_names_once() -> None:
    definition = example(KIND, "widgets")
    definition.spec.names.short_names.extend(["wd", "widgets"])
    claims = rules_of(KIND).claims
    assert claims is not None
    stored = created(definition)
    assert claims.held(stored) == (
        b"_kindnames/example.com/wd",
        b"_kindnames/example.com/widgets",
        b"_kindnames/example.com/widgetslist",
    )
    assert claims.field_of(stored, b"_kindnames/example.com/wd") == "spec.names.shortNames"
    assert claims.field_of(stored, b"_kindnames/example.com/widgetslist") == "spec.names.listKind"


def test_a_group_of_built_in_kinds_is_taken() -> None:
    definition = example(KIND, "widgets")
    definition.metadata.name = "widgets.networking.k8s.io"
    definition.spec.group = "networking.k8s.io"
    with pytest.raises(InvalidObjectError, match="is a group of built-in kinds"):
        created(definition)


def test_whoever_replaces_a_definition_keeps_what_ends_its_objects_with_it() -> None:
    stored = created()
    updated: Any = rooms.prepare_update(
        KIND, stored, example(KIND, "widgets"), known=kinds.BUILT_IN
    )
    assert list(updated.metadata.finalizers) == ["customresourcecleanup.apiextensions.k8s.io"]
    assert updated == stored


@pytest.mark.parametrize("part", ["scope", "names.kind"])
def test_what_objects_are_stays(part: str) -> None:
    stored, changed = created(), created()
    if part == "scope":
        changed.spec.scope = "Cluster"
    else:
        changed.spec.names.kind = "Other"
    with pytest.raises(InvalidObjectError) as caught:
        rooms.prepare_update(KIND, stored, changed, known=kinds.BUILT_IN)
    assert [violation.field for violation in caught.value.violations] == [f"spec.{part}"]


def test_a_version_in_which_objects_may_be_stored_stays() -> None:
    stored, changed = created(), created()
    changed.spec.versions[0].name = "v2"
    with pytest.raises(InvalidObjectError, match='must keep "v1"'):
        rooms.prepare_update(KIND, stored, changed, known=kinds.BUILT_IN)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}}},
        "spec": {
            "type": "object",
            "x-kubernetes-validations": [{"rule": "self.least <= self.most", "message": "turned"}],
            "properties": {
                "least": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
                "most": {"type": "number", "maximum": 2.5, "default": 2},
                "port": {"x-kubernetes-int-or-string": True, "anyOf": [
                    {"type": "integer"}, {"type": "string"}]},
                "free": {"x-kubernetes-preserve-unknown-fields": True},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "any": {"type": "object", "additionalProperties": True},
                "days": {"type": "array", "x-kubernetes-list-type": "set",
                         "items": {"type": "string", "enum": ["mon", "tue"],
                                   "pattern": "^[a-z]+$"}},
                "rules": {"type": "array", "x-kubernetes-list-type": "map",
                          "x-kubernetes-list-map-keys": ["id"], "default": [],
                          "items": {"type": "object", "required": ["id"], "properties": {
                              "id": {"type": "string"},
                              "value": {"type": "string", "nullable": True, "example": None}}}},
            },
            "not": {"required": ["least", "most"]},
            "externalDocs": {"description": "more", "url": "https://example.com"},
        },
        "status": {"type": "object", "x-kubernetes-map-type": "atomic"},
    },
}  # fmt: skip


def test_a_schema_comes_back_as_it_was_written_and_is_structural() -> None:
    written = copy.deepcopy(SCHEMA)
    del written["properties"]["spec"]["properties"]["rules"]["items"]["properties"]["value"][
        "example"
    ]
    stored = codec.to_json(created(with_schema(SCHEMA)))
    assert stored["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == written


def test_schemas_nested_too_deeply_are_refused() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(60):
        schema = {"type": "object", "properties": {"a": schema}}
    with pytest.raises(InvalidObjectError, match="nested deeper"):
        created(with_schema(schema))


def test_a_pattern_takes_linear_time_whatever_it_is() -> None:
    assert not matches("^(a+)+$", "a" * 50_000 + "b")
    with pytest.raises(ValueError, match="missing"):
        matches("(", "a")
