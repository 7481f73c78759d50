"""ClusterRoles: rights in the whole cluster, some of them gathered from other ClusterRoles."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.rbac.v1.cluster_role_pb2 import ClusterRole
from podraft.api.selectors.labels import check_label_selector
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.policies import check_rules


def _check(role: ClusterRole, report: Report) -> None:
    check_rules(role.rules, report, namespaced=False)
    if role.HasField("aggregation_rule"):
        chosen = role.aggregation_rule.cluster_role_selectors
        if not chosen:
            report.add("aggregationRule.clusterRoleSelectors", "must have at least one selector")
        for index, selector in enumerate(chosen):
            field = f"aggregationRule.clusterRoleSelectors[{index}]"
            check_label_selector(selector, field, report)


RULES: Final[Rules[ClusterRole]] = Rules(check_name=names.path_segment, check=_check)
