"""The spec of a pod or of a pod template: its defaults and its rules.

Owns: everything above its containers and volumes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from podraft.api import names
from podraft.api.core.v1 import pod_pb2
from podraft.api.objects import taints
from podraft.api.objects.deletion import DEFAULT_GRACE_S, GRACE_S_MAX
from podraft.api.objects.pods import DEFAULT_SCHEDULER, RESTART_ALWAYS, RESTART_POLICIES
from podraft.api.violations import InvalidObjectError, shown
from podraft.server.kinds.core.pod.affinity import check_affinity, check_spread
from podraft.server.kinds.core.pod.containers import (
    check_container,
    default_container,
    derive_container,
)
from podraft.server.kinds.core.pod.security import check_pod_security
from podraft.server.kinds.core.pod.settings import check_settings, default_settings
from podraft.server.kinds.core.pod.volumes import check_volumes, default_volume
from podraft.server.kinds.report import Report, check_labels

CONTAINERS_MAX: Final = 64
# Replicas have equal specs, whose defaults and faults follow from nothing but their bytes: so many
# are remembered, of specs that are no longer than usual.
REMEMBERED: Final = 256
REMEMBERED_BYTES: Final = 4096


def default_spec(spec: pod_pb2.PodSpec) -> None:
    """Fill in the fields that the spec of a pod or template leaves out."""
    if not spec.restart_policy:
        spec.restart_policy = RESTART_ALWAYS
    if not spec.HasField("termination_grace_period_seconds"):
        spec.termination_grace_period_seconds = DEFAULT_GRACE_S
    if not spec.scheduler_name:
        spec.scheduler_name = DEFAULT_SCHEDULER
    if not spec.HasField("enable_service_links"):
        spec.enable_service_links = True
    if not spec.HasField("security_context"):
        spec.security_context.SetInParent()
    default_settings(spec)
    for volume in spec.volumes:
        default_volume(volume)
    for container in spec.containers:
        default_container(container)
    for container in spec.init_containers:
        default_container(container)


def derive_spec(spec: pod_pb2.PodSpec) -> None:
    """Fill in what follows from other fields of a pod's spec.

    Not done in templates: there the derived field would stay when its source changes, and
    contradict it.  A pod's own fields hardly change.
    """
    for container in spec.containers:
        derive_container(container)
    for container in spec.init_containers:
        derive_container(container)


def check_spec(spec: pod_pb2.PodSpec, field: str, report: Report) -> None:
    """Check the spec of a pod or template."""
    encoded = spec.SerializeToString()
    if len(encoded) > REMEMBERED_BYTES or not _is_right(encoded):
        _check_spec(spec, field, report)


@lru_cache(maxsize=REMEMBERED)
def _is_right(encoded: bytes) -> bool:
    report = Report()
    with contextlib.suppress(InvalidObjectError):  # There were too many faults to go on.
        _check_spec(pod_pb2.PodSpec.FromString(encoded), "spec", report)
    return not report.violations


def _check_spec(spec: pod_pb2.PodSpec, field: str, report: Report) -> None:
    volumes = check_volumes(spec.volumes, f"{field}.volumes", report)
    if not spec.containers:
        report.add(f"{field}.containers", "must have at least one container")
    count = len(spec.containers) + len(spec.init_containers)
    if count > CONTAINERS_MAX:
        report.add(f"{field}.containers", f"must be at most {CONTAINERS_MAX} in sum, are {count}")
        return
    taken: set[str] = set()
    grace_s = spec.termination_grace_period_seconds
    for name, containers, initial in (
        ("initContainers", spec.init_containers, True),
        ("containers", spec.containers, False),
    ):
        for index, container in enumerate(containers):
            path = f"{field}.{name}[{index}]"
            check_container(container, path, taken, volumes, grace_s, report, initial=initial)
    report.one_of(f"{field}.restartPolicy", spec.restart_policy, RESTART_POLICIES)
    report.between(f"{field}.terminationGracePeriodSeconds", grace_s, 0, GRACE_S_MAX)
    if spec.HasField("active_deadline_seconds"):
        report.between(f"{field}.activeDeadlineSeconds", spec.active_deadline_seconds, 1, 2**31 - 1)
    _check_placement(spec, field, report)
    if spec.tolerations:
        check_tolerations(spec.tolerations, f"{field}.tolerations", report)
    check_pod_security(spec.security_context, f"{field}.securityContext", report)
    check_settings(spec, field, report)


def _check_placement(spec: pod_pb2.PodSpec, field: str, report: Report) -> None:
    if spec.node_selector:
        check_labels(spec.node_selector, f"{field}.nodeSelector", report)
    if spec.HasField("affinity"):
        check_affinity(spec.affinity, f"{field}.affinity", report)
    if spec.topology_spread_constraints:
        constraints = spec.topology_spread_constraints
        check_spread(constraints, f"{field}.topologySpreadConstraints", report)
    for name, value, problem in (
        ("nodeName", spec.node_name, names.dns_subdomain),
        ("hostname", spec.hostname, names.dns_label),
        ("schedulerName", spec.scheduler_name, names.dns_subdomain),
    ):
        if value and (found := problem(value)) is not None:
            report.add(f"{field}.{name}", f"{shown(value)} {found}")


def check_tolerations(
    tolerations: Iterable[pod_pb2.Toleration], field: str, report: Report
) -> None:
    """Check tolerations, which a pod has itself or by its RuntimeClass."""
    for index, toleration in enumerate(tolerations):
        path = f"{field}[{index}]"
        key, value = toleration.key, toleration.value
        report.one_of(f"{path}.operator", toleration.operator, ("", *taints.OPERATORS))
        if key and (problem := names.qualified(key)) is not None:
            report.add(f"{path}.key", f"{shown(key)} {problem}")
        if not key and toleration.operator != "Exists":
            report.add(f"{path}.operator", 'must be "Exists" when key is empty')
        if toleration.operator == "Exists" and value:
            report.add(f"{path}.value", 'must be empty when operator is "Exists"')
        elif (problem := names.label_value(value)) is not None:
            report.add(f"{path}.value", f"{shown(value)} {problem}")
        report.one_of(f"{path}.effect", toleration.effect, ("", *taints.EFFECTS))
        if toleration.HasField("toleration_seconds") and toleration.effect != "NoExecute":
            report.add(f"{path}.effect", 'must be "NoExecute" when tolerationSeconds is set')
