"""The common parts of all kinds that keep pods of a template running.

Owns: the number of pods, the selector that must match the template and never changes, and the
counts of a status.
"""

from __future__ import annotations

from typing import TypeAlias

from podraft.api.apps.v1.deployment_pb2 import Deployment, DeploymentStatus
from podraft.api.apps.v1.replica_set_pb2 import ReplicaSet, ReplicaSetStatus
from podraft.api.meta.v1 import meta_pb2
from podraft.api.selectors.labels import check_label_selector, label_selector_of
from podraft.server.kinds.core.pod.template import check_template
from podraft.server.kinds.report import Report

Workload: TypeAlias = ReplicaSet | Deployment


def check_workload(workload: Workload, report: Report) -> None:
    """Check the common fields: a number of pods, a selector and a template."""
    spec = workload.spec
    report.at_least("spec.replicas", spec.replicas, 0)
    report.at_least("spec.minReadySeconds", spec.min_ready_seconds, 0)
    _check_selector(spec.selector, spec.template.metadata, report)
    check_template(spec.template, "spec.template", report)


def _check_selector(
    selector: meta_pb2.LabelSelector, template: meta_pb2.ObjectMeta, report: Report
) -> None:
    if not selector.match_labels and not selector.match_expressions:
        report.add("spec.selector", "is required, and must not be empty")
        return
    faults_before = len(report.violations)
    check_label_selector(selector, "spec.selector", report)
    if len(report.violations) > faults_before:
        return
    compiled = label_selector_of(selector, "spec.selector")
    if not compiled.matches(template.labels):
        labels = ",".join(f"{key}={value}" for key, value in sorted(template.labels.items()))
        report.add(
            "spec.template.metadata.labels",
            f"must match spec.selector ({compiled}), are {labels or 'none'}",
        )


def check_selector_change(stored: Workload, workload: Workload, report: Report) -> None:
    """Check that the selector is still the one for which the pods were made."""
    if stored.spec.selector != workload.spec.selector:
        report.add("spec.selector", "cannot be changed: make a new object under another name")


def check_counts(status: ReplicaSetStatus | DeploymentStatus, report: Report) -> None:
    """Check that no count of a status is negative."""
    for described, value in status.ListFields():
        if isinstance(value, int):
            report.at_least(f"status.{described.json_name}", value, 0)
