"""A pod's status, as its node's agent writes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from podraft.api import times
from podraft.api.core.v1.container_pb2 import Container
from podraft.api.core.v1.pod_pb2 import ContainerState, ContainerStatus, Pod
from podraft.api.objects.pods import PHASES
from podraft.api.violations import shown
from podraft.server.kinds.core.pod.addresses import check_addresses
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.conditions import (
    REASON_MAX,
    WORD_MAX,
    check_conditions,
    check_length,
    check_time,
    check_words,
)

_QOS_CLASSES: Final = ("", "Guaranteed", "Burstable", "BestEffort")
_PHASES: Final = ("", *PHASES)


def check_status(pod: Pod, report: Report) -> None:
    """Check a Pod's status quickly: it is written at every start and every probe's change."""
    status = pod.status
    short = status.ByteSize() <= REASON_MAX
    if status.phase not in _PHASES:
        report.one_of("status.phase", status.phase, _PHASES)
    if status.qos_class not in _QOS_CLASSES:
        report.one_of("status.qosClass", status.qos_class, _QOS_CLASSES)
    if not short:
        check_words("status", status.reason, status.message, report)
    check_time(status.start_time, "status.startTime", report)
    check_addresses(status, report)
    conditions = status.conditions
    check_conditions(conditions, report, short=short)
    for index, condition in enumerate(conditions):
        if condition.HasField("last_probe_time"):
            path = f"status.conditions[{index}].lastProbeTime"
            check_time(condition.last_probe_time, path, report)
    if status.container_statuses:
        field, containers = "status.containerStatuses", pod.spec.containers
        _check_containers(status.container_statuses, containers, field, report, short=short)
    if status.init_container_statuses:
        field, containers = "status.initContainerStatuses", pod.spec.init_containers
        _check_containers(status.init_container_statuses, containers, field, report, short=short)


def _check_containers(
    statuses: Sequence[ContainerStatus],
    containers: Iterable[Container],
    field: str,
    report: Report,
    *,
    short: bool,
) -> None:
    unseen = {container.name for container in containers}
    for index, status in enumerate(statuses):
        name = status.name
        if name not in unseen:
            what = "no such container of the pod, or listed already"
            report.add(f"{field}[{index}].name", f"{what}: {shown(name)}")
            return  # There may be very many.
        unseen.remove(name)
        if status.restart_count < 0:
            report.at_least(f"{field}[{index}].restartCount", status.restart_count, 0)
        if not short:
            _check_words_of_container(status, f"{field}[{index}]", report)
        _check_state(status.state, field, index, "state", report)
        if status.HasField("last_state"):
            _check_state(status.last_state, field, index, "lastState", report)


def _check_words_of_container(status: ContainerStatus, path: str, report: Report) -> None:
    for name, value in (
        ("image", status.image),
        ("imageID", status.image_id),
        ("containerID", status.container_id),
    ):
        check_length(value, WORD_MAX, f"{path}.{name}", report)
    for name, state in (("state", status.state), ("lastState", status.last_state)):
        waiting, ended = state.waiting, state.terminated
        check_words(f"{path}.{name}.waiting", waiting.reason, waiting.message, report)
        check_words(f"{path}.{name}.terminated", ended.reason, ended.message, report)
        check_length(ended.container_id, WORD_MAX, f"{path}.{name}.terminated.containerID", report)


def _check_state(state: ContainerState, field: str, index: int, name: str, report: Report) -> None:
    said = state.ListFields()
    if len(said) > 1:
        what = "expected at most one of waiting, running, terminated"
        report.add(f"{field}[{index}].{name}", what)
        return
    for described, value in said:
        kind = described.name
        if kind == "waiting":
            continue
        if not times.is_time(value.started_at):
            check_time(value.started_at, f"{field}[{index}].{name}.{kind}.startedAt", report)
        if kind == "terminated" and not times.is_time(value.finished_at):
            check_time(value.finished_at, f"{field}[{index}].{name}.{kind}.finishedAt", report)
