"""RuntimeClasses: a way to run containers, what it costs, and the nodes that have it."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.node.v1.runtime_class_pb2 import RuntimeClass
from podraft.api.violations import shown
from podraft.server.kinds.core.pod.spec import check_tolerations
from podraft.server.kinds.report import Report, check_labels
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.amounts import check_amounts


def _check(runtime_class: RuntimeClass, report: Report) -> None:
    report.name("handler", runtime_class.handler, names.dns_label(runtime_class.handler))
    check_amounts(runtime_class.overhead.pod_fixed, "overhead.podFixed", report)
    scheduling = runtime_class.scheduling
    check_labels(scheduling.node_selector, "scheduling.nodeSelector", report)
    check_tolerations(scheduling.tolerations, "scheduling.tolerations", report)


def _check_change(stored: RuntimeClass, runtime_class: RuntimeClass, report: Report) -> None:
    if stored.handler != runtime_class.handler:
        report.add("handler", f"cannot be changed: it is {shown(stored.handler)}")


RULES: Final[Rules[RuntimeClass]] = Rules(check=_check, check_change=_check_change)
