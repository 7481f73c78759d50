"""The common parts of all kinds that keep pods of a template running.

Owns: the number of pods, the selector that must match the template and never changes, and the
values of an updating strategy.
"""

from __future__ import annotations

from typing import TypeAlias

from podraft.api.apps.v1.daemon_set_pb2 import DaemonSet
from podraft.api.apps.v1.deployment_pb2 import Deployment
from podraft.api.apps.v1.replica_set_pb2 import ReplicaSet
from podraft.api.apps.v1.stateful_set_pb2 import StatefulSet
from podraft.api.meta.v1 import meta_pb2
from podraft.api.meta.v1.meta_pb2 import IntOrString
from podraft.api.selectors.labels import check_label_selector, label_selector_of
from podraft.server.kinds.core.pod.template import check_template
from podraft.server.kinds.report import Report

Replicated: TypeAlias = ReplicaSet | Deployment | StatefulSet
Workload: TypeAlias = Replicated | DaemonSet


def check_workload(workload: Replicated, report: Report) -> None:
    """Check the common fields: a number of pods, a selector and a template."""
    report.at_least("spec.replicas", workload.spec.replicas, 0)
    check_pods(workload, report)


def check_pods(workload: Workload, report: Report) -> None:
    """Check which pods are meant, what they look like, and when they are available."""
    spec = workload.spec
    report.at_least("spec.minReadySeconds", spec.min_ready_seconds, 0)
    check_selector(spec.selector, spec.template.metadata, report)
    check_template(spec.template, "spec.template", report)


def check_selector(
    selector: meta_pb2.LabelSelector, template: meta_pb2.ObjectMeta, report: Report
) -> None:
    """Check a selector that must not be empty and must match the labels of its template."""
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


def percent_of(value: IntOrString) -> int | None:
    """Return a percentage as a number; None if the value is a count, or malformed."""
    digits = value.str_val.removesuffix("%")
    return int(digits) if value.type == 1 and digits.isdecimal() and len(digits) < 10 else None


def is_zero(value: IntOrString) -> bool:
    """Return whether a count or percentage is zero."""
    return percent_of(value) == 0 if value.type == 1 else value.int_val == 0


def check_not_above_all(value: IntOrString, field: str, report: Report) -> None:
    """Check that a percentage is not above 100%."""
    percent = percent_of(value)
    if percent is not None and percent > 100:
        report.add(field, f"must be at most 100%, is {percent}%")
