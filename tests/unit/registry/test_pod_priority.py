"""Priorities of pods: taken from a class in the pod's own transaction, and from nowhere else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from podraft.api import kinds
from podraft.api.meta.v1 import requests_pb2
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds.scheduling.priority_class import DEFAULT_CLASS
from podraft.server.registry import keys
from podraft.server.registry.writes.claims import PlanClaims
from podraft.server.registry.writes.operations import Create, DeleteObject, Update
from support.api_objects import example
from unit.registry.test_planning import RANGES, Store

CLASSES = kinds.PRIORITY_CLASS


def a_class(name: str, value: int, *, default: bool = False, policy: str = "Never") -> Create:
    made = example(CLASSES, name)
    made.value, made.preemption_policy = value, policy
    if default:
        made.global_default = True
    return Create(CLASSES, made)


def a_pod(name: str = "p", **spec: Any) -> Create:
    made = example(kinds.POD, name)
    for field, value in spec.items():
        setattr(made.spec, field, value)
    return Create(kinds.POD, made)


def deleted(name: str) -> DeleteObject:
    return DeleteObject(CLASSES, requests_pb2.DeleteRequest(name=name))


def priority(store: Store, name: str = "p") -> tuple[str, int, str]:
    spec = stored(store, name).spec
    return spec.priority_class_name, spec.priority, spec.preemption_policy


def stored(store: Store, name: str = "p") -> Any:
    record = store.records[keys.of_object(kinds.POD, "default", name)]
    return kinds.POD.message.FromString(record.value)


def test_a_pod_has_the_priority_of_its_class_or_of_the_default_one() -> None:
    store = Store()
    store.commit(a_pod("before"))
    assert priority(store, "before") == ("", 0, "")
    store.commit(a_class("high", 100), a_class("usual", 7, default=True))
    store.commit(a_pod("named", priority_class_name="high"), a_pod("unnamed"))
    assert priority(store, "named") == ("high", 100, "Never")
    assert priority(store, "unnamed") == ("usual", 7, "Never")
    assert priority(store, "before") == ("", 0, ""), "what was made before stays"
    store.commit(deleted("usual"))
    store.commit(a_pod("after"))
    assert priority(store, "after") == ("", 0, "")


def test_what_the_same_transaction_makes_and_removes_counts() -> None:
    store = Store()
    store.commit(a_class("high", 100), a_pod("named", priority_class_name="high"))
    assert priority(store, "named")[1] == 100
    store.commit(a_class("usual", 7, default=True), a_pod("first"))
    assert priority(store, "first") == ("usual", 7, "Never")
    store.commit(deleted("usual"), a_class("other", 9, default=True), a_pod("second"))
    assert priority(store, "second") == ("other", 9, "Never")
    store.commit(deleted("other"), a_pod("third"))
    assert priority(store, "third") == ("", 0, "")


@pytest.mark.parametrize(
    ("spec", "field", "says"),
    [
        ({"priority_class_name": "none"}, "priorityClassName", "there is no PriorityClass none"),
        ({"priority": 5}, "priority", "must be 7 of PriorityClass usual, or left out, is 5"),
        ({"priority_class_name": "high", "priority": 0}, "priority", "must be 100 of"),
        ({"preemption_policy": "Never"}, "preemptionPolicy", "must be PreemptLowerPriority of"),
    ],
)
def test_what_no_class_gives_is_refused(spec: dict[str, Any], field: str, says: str) -> None:
    store = Store()
    store.commit(
        a_class("high", 100), a_class("usual", 7, default=True, policy="PreemptLowerPriority")
    )
    with pytest.raises(InvalidObjectError) as caught:
        store.commit(a_pod(**spec))
    (violation,) = caught.value.violations
    assert violation.field == f"spec.{field}"
    assert says in violation.description
    store.commit(a_pod(priority=7, preemption_policy="PreemptLowerPriority"))
    assert priority(store) == ("usual", 7, "PreemptLowerPriority")


def test_an_update_keeps_the_priority_that_it_leaves_out_and_cannot_change_it() -> None:
    store = Store()
    store.commit(a_class("usual", 7, default=True))
    store.commit(a_pod())
    again = a_pod().object
    again.metadata.labels["a"] = "b"
    store.commit(Update(kinds.POD, again, ""))
    assert priority(store) == ("usual", 7, "Never")
    again.spec.priority = 8
    with pytest.raises(InvalidObjectError, match="cannot be changed"):
        store.commit(Update(kinds.POD, again, ""))


def test_a_pod_is_not_made_if_the_default_class_has_become_another_one() -> None:
    store = Store()

    def seen() -> tuple[str, int]:
        claims = PlanClaims(store, RANGES, lambda: 0)
        name = asyncio.run(claims.holder(CLASSES, DEFAULT_CLASS))
        return name, claims.guards()[DEFAULT_CLASS].mod_revision

    assert seen() == ("", 0)
    store.commit(a_class("usual", 7, default=True))
    assert seen() == ("usual", store.revision)
