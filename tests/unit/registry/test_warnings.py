"""Warnings: of what a write itself says, to those who read them."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import kinds
from podraft.api.meta.v1.requests_pb2 import PatchRequest
from podraft.server.auth.identity import Identity, node_identity
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.writes.operations import Create, Operation, Patch, Update
from podraft.server.registry.writes.results import Result, warnings_of
from support.api_objects import example


def service() -> Any:
    made = example(kinds.SERVICE, "web")
    made.spec.ports[0].app_protocol = "http"
    return made


def patch(**content: Any) -> Patch:
    return Patch(kinds.SERVICE, PatchRequest(name="web", namespace="default", **content))


@pytest.mark.parametrize(
    ("operation", "is_warned"),
    [
        (Create(kinds.SERVICE, service()), True),
        (Update(kinds.SERVICE, service(), ""), True),
        (Update(kinds.SERVICE, service(), "status"), False),
        (Create(kinds.SERVICE, example(kinds.SERVICE, "web")), False),
        (patch(merge_patch=b'{"metadata": {"labels": {"a": "b"}}}'), False),
        (patch(merge_patch=b'{"spec": {"ports": [{"appProtocol": "http"}]}}'), True),
        (patch(strategic_merge_patch=b'{"spec": {"ports": [{"appProtocol": "http"}]}}'), True),
        (patch(json_patch=b'[{"op": "add", "path": "/spec/ports/0/appProtocol"}]'), True),
    ],
)
def test_a_write_is_warned_of_what_it_says(operation: Operation, is_warned: bool) -> None:
    result = Result(kinds.SERVICE, service().SerializeToString(), written=True)
    found = list(warnings_of(operation, result))
    assert bool(found) is is_warned
    assert all(text.startswith("spec.ports[0].appProtocol: stored, but") for text in found)


@pytest.mark.parametrize(
    ("identity", "reads"),
    [
        (Identity("admin", frozenset({"system:masters"})), True),
        (Identity("jane", frozenset({"developers"})), True),
        (Identity("system:scheduler", frozenset({"system:scheduler"})), False),
        (Identity("system:controllers", frozenset({"system:controllers"})), False),
        (node_identity("n1"), False),
    ],
)
def test_people_are_warned_and_machines_are_not(identity: Identity, reads: bool) -> None:
    class Nothing:
        def pods_on_node(self, node: str) -> list[Any]:
            return []

    assert Caller(identity, Nothing()).reads_warnings is reads
