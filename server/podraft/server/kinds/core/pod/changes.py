"""Changes of a pod: the fields that an update keeps, and the few that it may change."""

from __future__ import annotations

from collections.abc import Iterable

from podraft.api.core.v1 import container_pb2, pod_pb2
from podraft.server.kinds.report import Report
from podraft.server.kinds.scheduling.pod_priority import keep_priority


def keep(stored: pod_pb2.Pod, pod: pod_pb2.Pod) -> None:
    """Restore the fields that the server set at creation and that a reapplied manifest omits."""
    if not pod.spec.node_name and stored.spec.node_name:
        pod.spec.node_name = stored.spec.node_name
    keep_priority(stored, pod)
    _keep_policies(stored.spec.containers, pod.spec.containers)
    _keep_policies(stored.spec.init_containers, pod.spec.init_containers)


def _keep_policies(
    stored: Iterable[container_pb2.Container], proposed: Iterable[container_pb2.Container]
) -> None:
    """Keep the pull policies that were derived from the original images of the pod."""
    known = {container.name: container.image_pull_policy for container in stored}
    for container in proposed:
        if not container.image_pull_policy and known.get(container.name):
            container.image_pull_policy = known[container.name]


def check_change(stored: pod_pb2.Pod, pod: pod_pb2.Pod, report: Report) -> None:
    """Check that an update changes only the fields of a pod that may change."""
    before = stored.spec
    if before == pod.spec:
        return
    for name in ("containers", "init_containers"):
        json_name = "initContainers" if name == "init_containers" else name
        old, new = getattr(before, name), getattr(pod.spec, name)
        if len(old) != len(new):
            report.add(
                f"spec.{json_name}",
                f"cannot be added or removed: the pod has {len(old)}, the update {len(new)}",
            )
        else:
            _check_containers_change(old, new, f"spec.{json_name}", report)
    _check_deadline_change(before, pod.spec, report)
    kept = list(pod.spec.tolerations)
    if any(toleration not in kept for toleration in before.tolerations):
        report.add("spec.tolerations", "can only be added, not changed or removed")
    gates = list(before.scheduling_gates)
    if any(gate not in gates for gate in pod.spec.scheduling_gates):
        report.add("spec.schedulingGates", "can only be taken away, not changed or added")
    _check_rest(before, pod.spec, report)


def _check_containers_change(
    old: Iterable[container_pb2.Container],
    new: Iterable[container_pb2.Container],
    field: str,
    report: Report,
) -> None:
    for index, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        same_image = container_pb2.Container()
        same_image.CopyFrom(after)
        same_image.image = before.image
        for name in _differences(before, same_image):
            report.add(f"{field}[{index}].{name}", _IMMUTABLE)


_IMMUTABLE = (
    "cannot be changed: of a pod only the images of containers, "
    "tolerations (by adding) and activeDeadlineSeconds can"
)
_CHECKED_APART = frozenset(
    ("containers", "initContainers", "tolerations", "activeDeadlineSeconds", "schedulingGates")
)


def _check_deadline_change(old: pod_pb2.PodSpec, new: pod_pb2.PodSpec, report: Report) -> None:
    if not old.HasField("active_deadline_seconds"):
        return
    before, field = old.active_deadline_seconds, "spec.activeDeadlineSeconds"
    if not new.HasField("active_deadline_seconds"):
        report.add(field, f"cannot be removed: it is {before}")
    elif new.active_deadline_seconds > before:
        report.add(field, f"can only be shortened: it is {before}")


def _check_rest(old: pod_pb2.PodSpec, new: pod_pb2.PodSpec, report: Report) -> None:
    for name in _differences(old, new):
        if name not in _CHECKED_APART:
            report.add(f"spec.{name}", _IMMUTABLE)


def _differences(
    old: pod_pb2.PodSpec | container_pb2.Container, new: pod_pb2.PodSpec | container_pb2.Container
) -> list[str]:
    """Return the JSON names of the fields that differ."""
    before = {field.json_name: value for field, value in old.ListFields()}
    after = {field.json_name: value for field, value in new.ListFields()}
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
