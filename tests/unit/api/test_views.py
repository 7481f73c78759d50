"""Views: what is stored in one form comes back from the other as it was."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

from podraft.api import codec, kinds, views
from podraft.api.autoscaling.v1 import horizontal_pod_autoscaler_pb2 as hpa_v1
from podraft.api.core.v1 import event_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import InvalidObjectError
from podraft.cli.command_line.targets import Target, parse_targets
from podraft.cli.output import documents

EVENTS, AUTOSCALERS = views.VIEWS

PRESENT: dict[str, Any] = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web", "annotations": {"mine": "1"}},
    "spec": {
        "maxReplicas": 5,
        "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"},
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 9}},
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 70},
                },
            },
            {
                "type": "Resource",
                "resource": {
                    "name": "memory",
                    "target": {"type": "AverageValue", "averageValue": "1Gi"},
                },
            },
            {
                "type": "ContainerResource",
                "containerResource": {
                    "name": "cpu",
                    "container": "main",
                    "target": {"type": "Utilization", "averageUtilization": 5},
                },
            },
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "rps", "selector": {"matchLabels": {"a": "b"}}},
                    "target": {"type": "AverageValue", "averageValue": "5"},
                },
            },
            {
                "type": "Object",
                "object": {
                    "describedObject": {"kind": "Service", "name": "web"},
                    "metric": {"name": "hits"},
                    "target": {"type": "Value", "value": "9"},
                },
            },
            {
                "type": "Object",
                "object": {
                    "describedObject": {"kind": "Service", "name": "web"},
                    "metric": {"name": "hits"},
                    "target": {"type": "AverageValue", "averageValue": "2"},
                },
            },
            {
                "type": "External",
                "external": {
                    "metric": {"name": "queue", "selector": {"matchLabels": {"a": "b"}}},
                    "target": {"type": "Value", "value": "9"},
                },
            },
        ],
    },
}


def filled(message: Any, depth: int = 0) -> Any:
    """Return a message with a value of its own in every field."""
    for number, field in enumerate(message.DESCRIPTOR.fields, start=10 * depth + 1):
        if field.is_repeated:
            continue
        if field.message_type is not None:
            filled(getattr(message, field.name), depth + 1).SetInParent()
        else:
            is_text = field.cpp_type == FieldDescriptor.CPPTYPE_STRING
            setattr(message, field.name, f"{field.name}-{depth}" if is_text else number)
    return message


def test_no_field_of_an_event_is_lost_in_either_direction() -> None:
    stored, shown = filled(kinds.EVENT.message()), filled(event_pb2.Event())
    assert EVENTS.stored(EVENTS.shown(stored)) == stored
    assert EVENTS.shown(EVENTS.stored(shown)) == shown
    assert EVENTS.stored(shown).regarding == shown.involved_object
    assert EVENTS.stored(shown).note == shown.message
    assert not EVENTS.shown(kinds.EVENT.message()).ListFields()


def test_an_autoscaler_comes_back_from_its_first_form() -> None:
    stored = codec.from_json(PRESENT)
    shown = AUTOSCALERS.shown(stored)
    assert shown.spec.target_cpu_utilization_percentage == 70
    assert AUTOSCALERS.stored(shown) == stored


def test_the_first_form_says_what_was_measured_of_the_processor() -> None:
    stored: Any = codec.from_json(PRESENT)
    stored.status.desired_replicas = 3
    current = stored.status.current_metrics.add(type="Resource").resource
    current.name, current.current.average_utilization = "cpu", 55
    stored.status.conditions.add(type="AbleToScale", status="True")
    shown = AUTOSCALERS.shown(stored)
    assert shown.status.current_cpu_utilization_percentage == 55
    assert shown.status.desired_replicas == 3
    assert "AbleToScale" in shown.metadata.annotations[CONDITIONS]
    assert AUTOSCALERS.stored(shown) == codec.from_json(PRESENT)


CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"


@pytest.mark.parametrize("text", ["{", "{}", '[{"type": 1}]', '[{"pods": {"metricName": []}}]'])
def test_an_annotation_that_holds_no_metrics_is_a_fault(text: str) -> None:
    metadata = meta_pb2.ObjectMeta(
        name="a", annotations={"autoscaling.alpha.kubernetes.io/metrics": text}
    )
    shown = hpa_v1.HorizontalPodAutoscaler(metadata=metadata)
    shown.spec.max_replicas = 1
    with pytest.raises(InvalidObjectError):
        AUTOSCALERS.stored(shown)


@pytest.mark.parametrize(
    ("selector", "stored"),
    [
        ("involvedObject.name=web", "regarding.name=web"),
        ("type!=Normal, involvedObject.kind==Pod", "type!=Normal, regarding.kind==Pod"),
        (r"reason=a\,involvedObject.name=b", r"reason=a\,involvedObject.name=b"),
        ("", ""),
    ],
)
def test_field_selectors_name_the_stored_fields(selector: str, stored: str) -> None:
    assert EVENTS.stored_selector(selector) == stored


def test_words_with_a_version_name_a_form() -> None:
    assert views.by_word("events.v1") is views.by_word("EV.v1") is EVENTS
    assert views.by_word("hpa.v1.autoscaling") is AUTOSCALERS
    assert kinds.BUILT_IN.by_word("events") is kinds.EVENT
    assert kinds.BUILT_IN.by_word("events.v1") is None
    assert parse_targets(["ev.v1/a"], as_form=True) == [Target(EVENTS.kind, "a")]
    assert parse_targets(["ev.v1/a"]) == [Target(kinds.EVENT, "a")]


def test_an_object_in_another_form_says_its_own_version() -> None:
    event = event_pb2.Event(message="it is there")
    document = documents.document_of([event], single=True)
    assert document == {"apiVersion": "v1", "kind": "Event", "message": "it is there"}
