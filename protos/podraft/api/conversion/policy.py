"""Old forms of ``policy``: budgets of disruption; pod security policies, which are gone."""

from __future__ import annotations

from typing import Final

from podraft.api.conversion.table import Gone, Manifest, Present, Table, mapping_in

_POD_SECURITY_POLICY: Final = Gone(
    "Kubernetes removed PodSecurityPolicy and nothing took over its rules one by one; leave it "
    "out, and say what pods must not do in their securityContext"
)


def _disruption_budget(manifest: Manifest) -> None:
    """Leave out an empty selector, which meant no pod then and means every pod now."""
    spec = mapping_in(manifest, "spec")
    if spec is not None and _is_empty(spec.get("selector")):
        spec.pop("selector", None)


def _is_empty(selector: object) -> bool:
    return isinstance(selector, dict) and not any(selector.values())


TABLE: Final[Table] = {
    ("policy/v1beta1", "PodDisruptionBudget"): Present("policy/v1", _disruption_budget),
    ("policy/v1beta1", "PodSecurityPolicy"): _POD_SECURITY_POLICY,
    ("extensions/v1beta1", "PodSecurityPolicy"): _POD_SECURITY_POLICY,
}
