"""Replication controllers: a number of pods of one template, found by labels alone."""

from __future__ import annotations

from typing import Final

from podraft.api.core.v1.replication_controller_pb2 import ReplicationController
from podraft.api.objects.workloads import DEFAULT_REPLICAS
from podraft.server.kinds.core.pod.spec import default_spec
from podraft.server.kinds.core.pod.template import check_template
from podraft.server.kinds.report import Report, check_labels
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import check_conditions, check_counts


def _default(controller: ReplicationController) -> None:
    """Fill in the fields that a replication controller leaves out."""
    spec = controller.spec
    if not spec.HasField("replicas"):
        spec.replicas = DEFAULT_REPLICAS
    if not spec.HasField("min_ready_seconds"):
        spec.min_ready_seconds = 0
    labels = spec.template.metadata.labels
    if not spec.selector:
        spec.selector.update(labels)
    if not controller.metadata.labels:
        controller.metadata.labels.update(labels)
    default_spec(spec.template.spec)


def _check(controller: ReplicationController, report: Report) -> None:
    """Check a replication controller."""
    spec = controller.spec
    report.at_least("spec.replicas", spec.replicas, 0)
    report.at_least("spec.minReadySeconds", spec.min_ready_seconds, 0)
    check_template(spec.template, "spec.template", report)
    selector, labels = spec.selector, spec.template.metadata.labels
    if not selector:
        report.required("spec.selector")
        return
    check_labels(selector, "spec.selector", report)
    if any(labels.get(key) != value for key, value in selector.items()):
        report.add("spec.template.metadata.labels", "must match spec.selector")


def _check_status(controller: ReplicationController, report: Report) -> None:
    """Check a replication controller's status."""
    status = controller.status
    check_counts(status, report)
    check_conditions(status.conditions, report, short=False)
    for name, count in (
        ("fullyLabeledReplicas", status.fully_labeled_replicas),
        ("readyReplicas", status.ready_replicas),
        ("availableReplicas", status.available_replicas),
    ):
        if count > status.replicas:
            must = f"must be at most status.replicas ({status.replicas}), is {count}"
            report.add(f"status.{name}", must)


RULES: Final[Rules[ReplicationController]] = Rules(
    default=_default,
    check=_check,
    check_status=_check_status,
    keeps_spelling=True,
)
