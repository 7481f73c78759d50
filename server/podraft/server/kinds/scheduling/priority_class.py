"""PriorityClasses: a number under a name, of which one holds for pods that name none."""

from __future__ import annotations

from typing import Final

from podraft.api.scheduling.v1.priority_class_pb2 import PriorityClass
from podraft.server.kinds.hooks import Claims
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules

VALUE_MAX: Final = 1_000_000_000
SYSTEM_PREFIX: Final = "system-"
# The classes of the cluster's own pods, above all that users can declare.
SYSTEM_VALUES: Final = {
    "system-cluster-critical": 2_000_000_000,
    "system-node-critical": 2_000_001_000,
}
PREEMPT: Final = "PreemptLowerPriority"
_POLICIES: Final = (PREEMPT, "Never")
# What the class holds that pods without one are of.
DEFAULT_CLASS: Final = b"_priorityclasses/default"
_CLAIMS: Final = b"_priorityclasses/"


def system_classes() -> list[PriorityClass]:
    """Return the two classes that every cluster has."""
    made = []
    for name, value in SYSTEM_VALUES.items():
        what = "a node" if "node" in name else "the cluster"
        one = PriorityClass(value=value, description=f"Pods without which {what} does not work.")
        one.metadata.name = name
        made.append(one)
    return made


def _default(priority_class: PriorityClass) -> None:
    """Fill in the fields that a PriorityClass leaves out."""
    if not priority_class.preemption_policy:
        priority_class.preemption_policy = PREEMPT


def _check(priority_class: PriorityClass, report: Report) -> None:
    """Check a PriorityClass."""
    name, value = priority_class.metadata.name, priority_class.value
    if name.startswith(SYSTEM_PREFIX):
        _check_system(name, priority_class, report)
    elif value > VALUE_MAX:
        what = f"must be at most {VALUE_MAX}, is {value}: what is above is the cluster's own"
        report.add("value", what)
    report.one_of("preemptionPolicy", priority_class.preemption_policy, _POLICIES)


def _check_system(name: str, priority_class: PriorityClass, report: Report) -> None:
    expected = SYSTEM_VALUES.get(name)
    if expected is None:
        known = " and ".join(SYSTEM_VALUES)
        report.add("metadata.name", f'must not begin with "{SYSTEM_PREFIX}" except {known}')
        return
    if priority_class.value != expected:
        report.add("value", f"must be {expected} of {name}, is {priority_class.value}")
    if priority_class.global_default:
        report.add("globalDefault", f"must not be true of {name}")


def _check_change(stored: PriorityClass, priority_class: PriorityClass, report: Report) -> None:
    """Check that the class still means what it meant for the pods that name it."""
    if stored.value != priority_class.value:
        report.add("value", f"cannot be changed: it is {stored.value}")
    if stored.preemption_policy != priority_class.preemption_policy:
        report.add("preemptionPolicy", f"cannot be changed: it is {stored.preemption_policy}")


def _held(priority_class: PriorityClass) -> tuple[bytes, ...]:
    return (DEFAULT_CLASS,) if priority_class.global_default else ()


RULES: Final[Rules[PriorityClass]] = Rules(
    default=_default,
    check=_check,
    check_change=_check_change,
    claims=Claims(
        prefixes=(_CLAIMS,),
        held=_held,
        field_of=lambda priority_class, key: "globalDefault",
        part="global_default",
    ),
)
