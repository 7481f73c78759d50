"""The roles and bindings that every cluster has, as Kubernetes has them.

Owns: their rules, and what is restored of them at start.

Invariants: pure; what an administrator added stays; an object that says so with the annotation
``rbac.authorization.kubernetes.io/autoupdate: "false"`` is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from podraft.api.kinds.rbac import RBAC_GROUP
from podraft.api.meta.v1.meta_pb2 import LabelSelector, ObjectMeta
from podraft.api.rbac.v1.cluster_role_binding_pb2 import ClusterRoleBinding
from podraft.api.rbac.v1.cluster_role_pb2 import AggregationRule, ClusterRole
from podraft.api.rbac.v1.rules_pb2 import PolicyRule, RoleRef, Subject
from podraft.server.auth.identity import MASTERS
from podraft.server.auth.rbac.rights import AUTHENTICATED
from podraft.server.auth.rbac.rules import ALL, Rule

AUTOUPDATE: Final = "rbac.authorization.kubernetes.io/autoupdate"
_BOOTSTRAPPING: Final = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_AGGREGATE: Final = "rbac.authorization.k8s.io/aggregate-to-"
_READ: Final = "get list watch"
_WRITE: Final = "create delete deletecollection patch update"
_EVERY: Final = f"{_READ} {_WRITE}"


def _rule(verbs: str, group: str, resources: str) -> PolicyRule:
    return PolicyRule(verbs=verbs.split(), api_groups=[group], resources=resources.split())


def _paths(verbs: str, paths: str) -> PolicyRule:
    return PolicyRule(verbs=verbs.split(), non_resource_urls=paths.split())


_WORKLOADS: Final = (
    "daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets "
    "statefulsets/scale"
)
_STATUSES: Final = "daemonsets/status deployments/status replicasets/status statefulsets/status"

_VIEW: Final = (
    _rule(
        _READ,
        "",
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
        "replicationcontrollers replicationcontrollers/scale serviceaccounts services "
        "services/status",
    ),
    _rule(
        _READ,
        "",
        "bindings events limitranges namespaces namespaces/status pods/log pods/status "
        "pods/scheduling replicationcontrollers/status resourcequotas resourcequotas/status",
    ),
    _rule(_READ, "apps", f"controllerrevisions {_WORKLOADS} {_STATUSES}"),
    _rule(_READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    _rule(_READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
    _rule(_READ, "discovery.k8s.io", "endpointslices"),
    _rule(_READ, "events.k8s.io", "events"),
    _rule(_READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    _rule(_READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
)
_EDIT: Final = (
    _rule(
        _READ,
        "",
        "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy",
    ),
    _rule("impersonate", "", "serviceaccounts"),
    _rule(_WRITE, "", "pods pods/attach pods/exec pods/portforward pods/proxy"),
    _rule("create", "", "pods/eviction serviceaccounts/token"),
    _rule(
        _WRITE,
        "",
        "configmaps events persistentvolumeclaims replicationcontrollers "
        "replicationcontrollers/scale secrets serviceaccounts services services/proxy",
    ),
    _rule(_WRITE, "apps", f"{_WORKLOADS} deployments/rollback"),
    _rule(_WRITE, "autoscaling", "horizontalpodautoscalers"),
    _rule(_WRITE, "batch", "cronjobs jobs"),
    _rule(_WRITE, "policy", "poddisruptionbudgets"),
    _rule(_WRITE, "networking.k8s.io", "ingresses networkpolicies"),
    _rule(_EVERY, "coordination.k8s.io", "leases"),
)
_ADMIN: Final = (
    _rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    _rule(_EVERY, RBAC_GROUP, "rolebindings roles"),
)
_SELF_REVIEWS: Final = (
    _rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
    _rule("create", "authentication.k8s.io", "selfsubjectreviews"),
)
_ROLES: Final[tuple[tuple[str, tuple[PolicyRule, ...], tuple[str, ...]], ...]] = (
    ("cluster-admin", (_rule(ALL, ALL, ALL), _paths(ALL, ALL)), ()),
    ("system:aggregate-to-view", _VIEW, ("view",)),
    ("system:aggregate-to-edit", _EDIT, ("edit",)),
    ("system:aggregate-to-admin", _ADMIN, ("admin",)),
    ("system:basic-user", _SELF_REVIEWS, ()),
    (
        "system:discovery",
        (
            _paths(
                "get",
                "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version "
                "/version/",
            ),
        ),
        (),
    ),
    (
        "system:public-info-viewer",
        (_paths("get", "/healthz /livez /readyz /version /version/"),),
        (),
    ),
    (
        "system:monitoring",
        (_paths("get", "/healthz /healthz/* /livez /livez/* /metrics /readyz /readyz/*"),),
        (),
    ),
    (
        "system:auth-delegator",
        (
            _rule("create", "authentication.k8s.io", "tokenreviews"),
            _rule("create", "authorization.k8s.io", "subjectaccessreviews"),
        ),
        (),
    ),
)
# Which roles gather others, and the words of the labels that these others have.
_GATHERING: Final = (("admin", ("admin",)), ("edit", ("edit",)), ("view", ("view",)))
# A role that gathers is itself gathered by the next larger one.
_GATHERED: Final = {"view": "edit", "edit": "admin"}
_BINDINGS: Final = (
    ("cluster-admin", MASTERS),
    ("system:basic-user", AUTHENTICATED),
    ("system:discovery", AUTHENTICATED),
    ("system:public-info-viewer", AUTHENTICATED),
)


def default_roles() -> list[ClusterRole]:
    """Return the ClusterRoles that every cluster has."""
    return [
        *(
            ClusterRole(metadata=_metadata(name, labels), rules=rules)
            for name, rules, labels in _ROLES
        ),
        *(
            ClusterRole(
                metadata=_metadata(name, (_GATHERED[name],) if name in _GATHERED else ()),
                aggregation_rule=AggregationRule(
                    cluster_role_selectors=[
                        LabelSelector(match_labels={f"{_AGGREGATE}{word}": "true"})
                        for word in words
                    ]
                ),
            )
            for name, words in _GATHERING
        ),
    ]


def default_bindings() -> list[ClusterRoleBinding]:
    """Return the ClusterRoleBindings that every cluster has."""
    return [
        ClusterRoleBinding(
            metadata=_metadata(role, ()),
            role_ref=RoleRef(api_group=RBAC_GROUP, kind="ClusterRole", name=role),
            subjects=[Subject(kind="Group", api_group=RBAC_GROUP, name=group)],
        )
        for role, group in _BINDINGS
    ]


def _metadata(name: str, gathered_by: Iterable[str]) -> ObjectMeta:
    labels = _BOOTSTRAPPING | {f"{_AGGREGATE}{word}": "true" for word in gathered_by}
    return ObjectMeta(name=name, labels=labels, annotations={AUTOUPDATE: "true"})


def restored(stored: Any, wanted: Any) -> Any | None:
    """Return a stored default object with what it lacks; None if it lacks nothing.

    Rules and subjects that were added stay; a binding of another role is left alone.
    """
    if stored.metadata.annotations.get(AUTOUPDATE) == "false":
        return None
    result = type(stored)()
    result.CopyFrom(stored)
    for key, value in wanted.metadata.labels.items():
        result.metadata.labels[key] = value
    result.metadata.annotations[AUTOUPDATE] = "true"
    if isinstance(result, ClusterRole):
        result.rules.extend(_missing_rules(stored.rules, wanted.rules))
        if wanted.HasField("aggregation_rule"):
            kept = list(stored.aggregation_rule.cluster_role_selectors)
            for selector in wanted.aggregation_rule.cluster_role_selectors:
                if selector not in kept:
                    result.aggregation_rule.cluster_role_selectors.append(selector)
    elif stored.role_ref != wanted.role_ref:
        return None
    else:
        present = list(stored.subjects)
        result.subjects.extend(one for one in wanted.subjects if one not in present)
    return result if result != stored else None


def _missing_rules(
    stored: Iterable[PolicyRule], wanted: Iterable[PolicyRule]
) -> Iterator[PolicyRule]:
    present = [Rule.of(rule) for rule in stored]
    for rule in wanted:
        if not any(own.covers(Rule.of(rule)) for own in present):
            yield rule
