"""The priority of a pod: that of its class, or of the class for pods that name none.

Owns: what a new pod takes from its PriorityClass.

Invariant: no pod has a priority that no class gave it.
"""

from __future__ import annotations

from typing import Final

from podraft.api import kinds
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.scheduling.v1.priority_class_pb2 import PriorityClass
from podraft.server.kinds.hooks import AddressRanges, Neighbour, Neighbours
from podraft.server.kinds.report import Report
from podraft.server.kinds.scheduling.priority_class import DEFAULT_CLASS, PREEMPT


def _class_of(_: Pod | None, pod: Pod) -> tuple[Neighbour, ...]:
    """Return the class that a pod names, or that for pods that name none."""
    name = pod.spec.priority_class_name
    return (Neighbour(kinds.PRIORITY_CLASS, "", name, b"" if name else DEFAULT_CLASS),)


def _fill(
    pod: Pod, found: tuple[PriorityClass | None, ...], _: AddressRanges, report: Report
) -> None:
    """Give a pod what its class says; what the pod says itself must be the same."""
    spec, priority_class = pod.spec, found[0]
    name = spec.priority_class_name
    if priority_class is None and name:
        report.add("spec.priorityClassName", f"there is no PriorityClass {name}")
        return
    value, policy, origin = 0, PREEMPT, "without a class"
    if priority_class is not None:
        name = priority_class.metadata.name
        value, origin = priority_class.value, f"of PriorityClass {name}"
        policy = priority_class.preemption_policy or PREEMPT
    if spec.priority != value and spec.HasField("priority"):
        report.add("spec.priority", f"must be {value} {origin}, or left out, is {spec.priority}")
    if spec.preemption_policy not in ("", policy):
        said = spec.preemption_policy
        report.add("spec.preemptionPolicy", f"must be {policy} {origin}, or left out, is {said}")
    if priority_class is not None:
        spec.priority_class_name, spec.priority, spec.preemption_policy = name, value, policy


CLASS: Final[Neighbours[Pod]] = Neighbours(_class_of, _fill)


def keep_priority(stored: Pod, pod: Pod) -> None:
    """Restore what the pod has from its class, where an update leaves it out."""
    for field in ("priority", "priority_class_name", "preemption_policy"):
        if not pod.spec.HasField(field) and stored.spec.HasField(field):
            setattr(pod.spec, field, getattr(stored.spec, field))
