"""Decisions: default roles, what refusals say, and rights that nobody hands on without them."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import kinds
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1.meta_pb2 import LabelSelector, ObjectMeta
from podraft.api.rbac.v1.cluster_role_binding_pb2 import ClusterRoleBinding
from podraft.api.rbac.v1.cluster_role_pb2 import AggregationRule, ClusterRole
from podraft.api.rbac.v1.role_binding_pb2 import RoleBinding
from podraft.api.rbac.v1.role_pb2 import Role
from podraft.api.rbac.v1.rules_pb2 import PolicyRule, RoleRef, Subject
from podraft.server.auth.authorize import UNSEEN, Attributes, Verb
from podraft.server.auth.decision import Allowed, Denied, decide
from podraft.server.auth.identity import Identity, node_identity
from podraft.server.auth.rbac import defaults
from podraft.server.auth.rbac.rights import Place, Rights

ADA = Identity("ada", frozenset({"staff"}))
NOBODY = Identity("nobody", frozenset())
VERBS: tuple[Verb, ...] = ("get", "list", "watch", "create", "update", "patch", "delete")


class NoPods:
    def pods_on_node(self, node: str) -> list[Pod]:
        return []


def with_defaults() -> Rights:
    """Return rights with the default roles and bindings."""
    rights = Rights()
    for role in defaults.default_roles():
        rights.put_role(Place("", role.metadata.name), role)
    for binding in defaults.default_bindings():
        rights.put_binding(Place("", binding.metadata.name), binding)
    return rights


def bind(rights: Rights, role: str, namespace: str = "", user: str = "ada") -> None:
    """Bind a ClusterRole to a user, in a namespace or everywhere."""
    binding = (RoleBinding if namespace else ClusterRoleBinding)(
        role_ref=RoleRef(kind="ClusterRole", name=role), subjects=[Subject(kind="User", name=user)]
    )
    rights.put_binding(Place(namespace, f"{role}-{user}"), binding)


def may(rights: Rights, verb: Verb, kind: AnyKind | None, **attributes: Any) -> bool:
    verdict = decide(ADA, Attributes(verb, kind, **attributes), NoPods(), rights)
    return isinstance(verdict, Allowed)


@pytest.mark.parametrize("kind", [None, *kinds.BUILT_IN])
def test_nobody_without_a_binding_reads_or_writes_anything(kind: AnyKind | None) -> None:
    rights = with_defaults()
    for verb in VERBS:
        for part in ("", "status", "log", "exec", "jointokens", "users", "diagnosis"):
            for namespace in ("", "shop"):
                attributes = Attributes(verb, kind, namespace, "web", part)
                assert isinstance(decide(NOBODY, attributes, NoPods(), rights), Denied), attributes


# What the default roles allow in the namespace that they are bound in: kind, part, verb.
IN_NAMESPACE: list[tuple[str, str, Verb, str]] = [
    ("Pod", "", "get", "view edit admin"),
    ("Pod", "log", "get", "view edit admin"),
    ("Pod", "scheduling", "get", "view edit admin"),
    ("Pod", "exec", "create", "edit admin"),
    ("Pod", "eviction", "create", "edit admin"),
    ("Pod", "status", "update", ""),
    ("Pod", "binding", "create", ""),
    ("Deployment", "", "patch", "edit admin"),
    ("Deployment", "scale", "update", "edit admin"),
    ("Deployment", "scale", "get", "view edit admin"),
    ("Deployment", "status", "update", ""),
    ("Event", "", "list", "view edit admin"),
    ("EndpointSlice", "", "list", "view edit admin"),
    ("Secret", "", "get", "edit admin"),
    ("Secret", "", "delete", "edit admin"),
    ("Role", "", "get", "admin"),
    ("RoleBinding", "", "create", "admin"),
    ("Namespace", "", "get", "view edit admin"),
    ("Namespace", "", "delete", ""),
    ("Node", "", "get", ""),
    ("ClusterRole", "", "get", ""),
]


@pytest.mark.parametrize("role", ["view", "edit", "admin", "cluster-admin"])
def test_the_default_roles_allow_what_kubernetes_ones_do_where_they_are_bound(role: str) -> None:
    here, everywhere = with_defaults(), with_defaults()
    bind(here, role, "shop")
    bind(everywhere, role)
    for name, part, verb, roles in IN_NAMESPACE:
        kind = next(kind for kind in kinds.BUILT_IN if kind.name == name)
        place = {"namespace": "shop"} if kind.namespaced else {}
        name = "shop" if kind is kinds.NAMESPACE else "web"
        expected = role in roles.split() or (role == "cluster-admin" and kind.namespaced)
        expected = expected or (role == "cluster-admin" and kind is kinds.NAMESPACE)
        allowed = may(here, verb, kind, name=name, subresource=part, object=None, **place)
        assert allowed is expected, (name, part, verb)
        if kind.namespaced:
            assert not may(here, verb, kind, name=name, subresource=part, namespace="other")
        anywhere = may(everywhere, verb, kind, name=name, subresource=part, **place)
        assert anywhere is (expected or role == "cluster-admin"), (name, part, verb)
    assert not may(here, "list", kinds.POD)
    assert may(everywhere, "list", kinds.POD)
    assert may(everywhere, "create", None, subresource="jointokens") is (role == "cluster-admin")


def test_nodes_and_components_have_no_roles_whatever_is_bound() -> None:
    rights = with_defaults()
    binding = ClusterRoleBinding(
        role_ref=RoleRef(kind="ClusterRole", name="cluster-admin"),
        subjects=[
            Subject(kind="Group", name="system:authenticated"),
            Subject(kind="Group", name="system:nodes"),
            Subject(kind="User", name="system:scheduler"),
        ],
    )
    rights.put_binding(Place("", "too-much"), binding)
    scheduler = Identity("system:scheduler", frozenset({"system:scheduler"}))
    for identity in (node_identity("n1"), scheduler):
        attributes = Attributes("list", kinds.SECRET, "shop")
        assert isinstance(decide(identity, attributes, NoPods(), rights), Denied)
    assert may(rights, "list", kinds.SECRET, namespace="shop")


def test_a_list_by_name_is_allowed_to_whom_the_named_object_is() -> None:
    rights = Rights()
    role = Role(rules=[rule("get list watch", "configmaps", names=["mine"])])
    rights.put_role(Place("shop", "one"), role)
    binding = RoleBinding(
        role_ref=RoleRef(kind="Role", name="one"), subjects=[Subject(kind="User", name="ada")]
    )
    rights.put_binding(Place("shop", "one"), binding)
    for selector, expected in (("metadata.name=mine", True), ("metadata.name=other", False)):
        given: dict[str, Any] = {"namespace": "shop", "field_selector": selector}
        assert may(rights, "watch", kinds.CONFIG_MAP, **given) is expected
    assert not may(rights, "list", kinds.CONFIG_MAP, namespace="shop")


def test_a_refusal_names_the_call_and_an_admission_the_binding_role_and_rule() -> None:
    rights = with_defaults()
    bind(rights, "view", "shop")
    denied = decide(ADA, Attributes("get", kinds.SECRET, "shop", "key"), NoPods(), rights)
    assert str(denied) == (
        'user "ada" may not get secrets "key" in namespace "shop": no role that is bound to the '
        "user or its groups allows it"
    )
    allowed = str(decide(ADA, Attributes("get", kinds.POD, "shop", "web"), NoPods(), rights))
    assert allowed.startswith(
        'RoleBinding "view-ada" in namespace "shop" gives ClusterRole "view" to user "ada": '
        "get,list,watch on configmaps,"
    )


# Escalation


def rule(verbs: str, resources: str, group: str = "", names: list[str] | None = None) -> PolicyRule:
    return PolicyRule(
        verbs=verbs.split(),
        api_groups=[group],
        resources=resources.split(),
        resource_names=names or [],
    )


def manager(*more: PolicyRule) -> Rights:
    """Return rights in which ada may write roles and bindings everywhere, and ``more``."""
    rights = with_defaults()
    writing = "roles rolebindings clusterroles clusterrolebindings"
    rules = [rule("create update patch", writing, "rbac.authorization.k8s.io"), *more]
    rights.put_role(Place("", "manager"), ClusterRole(rules=rules))
    bind(rights, "manager")
    return rights


def writes(rights: Rights, kind: AnyKind, new: Any, stored: Any = None) -> str | None:
    """Return why ada may not write an object; None if she may."""
    verb: Verb = "update" if stored is not None else "create"
    namespace = "shop" if kind.namespaced else ""
    named = Attributes(verb, kind, namespace, "new", object=UNSEEN, stored=UNSEEN)
    assert isinstance(decide(ADA, named, NoPods(), rights), Allowed)
    seen = Attributes(verb, kind, namespace, "new", object=new, stored=stored)
    verdict = decide(ADA, seen, NoPods(), rights)
    return verdict.reason if isinstance(verdict, Denied) else None


PODS = rule("get list", "pods")


@pytest.mark.parametrize(
    ("had", "wanted", "lacking"),
    [
        ([PODS], rule("get", "pods"), ""),
        ([PODS], rule("get", "pods", names=["web"]), ""),
        ([rule("*", "*", "*")], rule("*", "*", "*"), ""),
        ([rule("get", "*/log")], rule("get", "pods/log"), ""),
        ([rule("get", "pods"), rule("list", "pods")], rule("get list", "pods"), ""),
        ([PODS], rule("get delete", "pods"), 'delete on pods (apiGroups "")'),
        ([PODS], rule("*", "pods"), '* on pods (apiGroups "")'),
        ([PODS], rule("get", "pods/exec"), 'get on pods/exec (apiGroups "")'),
        ([PODS], rule("get", "*"), 'get on * (apiGroups "")'),
        ([PODS], rule("get", "pods", "apps"), "get on pods (apiGroups apps)"),
        (
            [rule("get", "pods", names=["web"])],
            rule("get", "pods"),
            'get on pods (apiGroups "")',
        ),
        (
            [rule("get", "pods", names=["web"])],
            rule("get", "pods", names=["web", "db"]),
            'get on pods (apiGroups "") named db',
        ),
        ([PODS], PolicyRule(verbs=["get"], non_resource_urls=["/metrics"]), "get on /metrics"),
    ],
)
def test_a_role_holds_only_what_its_writer_may_do(
    had: list[PolicyRule], wanted: PolicyRule, lacking: str
) -> None:
    denial = writes(manager(*had), kinds.CLUSTER_ROLE, ClusterRole(rules=[wanted]))
    if not lacking:
        assert denial is None
        return
    assert denial is not None
    assert f'lacks ({lacking}), and the verb "escalate" is needed' in denial
    escalate = rule("escalate", "clusterroles", "rbac.authorization.k8s.io")
    assert writes(manager(*had, escalate), kinds.CLUSTER_ROLE, ClusterRole(rules=[wanted])) is None


def test_rights_in_one_namespace_are_not_handed_on_to_another_or_to_the_cluster() -> None:
    rights = manager()
    rights.put_role(Place("shop", "pods"), Role(rules=[PODS]))
    subject = Subject(kind="User", name="ada")
    binding = RoleBinding(role_ref=RoleRef(kind="Role", name="pods"), subjects=[subject])
    rights.put_binding(Place("shop", "pods"), binding)
    assert writes(rights, kinds.ROLE, Role(rules=[PODS])) is None
    assert writes(rights, kinds.CLUSTER_ROLE, ClusterRole(rules=[PODS])) is not None


def test_a_role_that_gathers_others_is_written_only_by_whoever_may_do_everything() -> None:
    selector = LabelSelector(match_labels={"a": "b"})
    gathering = ClusterRole(aggregation_rule=AggregationRule(cluster_role_selectors=[selector]))
    assert writes(manager(PODS), kinds.CLUSTER_ROLE, gathering) is not None
    everything = manager()
    bind(everything, "cluster-admin")
    assert writes(everything, kinds.CLUSTER_ROLE, gathering) is None


def test_labels_by_which_others_would_gather_a_role_are_rights_of_it() -> None:
    strong = ClusterRole(rules=[rule("*", "secrets")])
    labelled = ClusterRole(rules=strong.rules, metadata=ObjectMeta(labels={"a": "b"}))
    noted = ClusterRole(rules=strong.rules, metadata=ObjectMeta(annotations={"a": "b"}))
    rights = manager(PODS)
    assert writes(rights, kinds.CLUSTER_ROLE, noted, stored=strong) is None
    assert writes(rights, kinds.CLUSTER_ROLE, labelled, stored=strong) is not None


def binding_of(role: str, kind: str = "ClusterRole", user: str = "grace") -> RoleBinding:
    subjects = [Subject(kind="User", name=user)]
    return RoleBinding(role_ref=RoleRef(kind=kind, name=role), subjects=subjects)


def test_a_binding_gives_only_a_role_whose_rights_its_writer_has() -> None:
    rights = manager(PODS)
    rights.put_role(Place("", "pods"), ClusterRole(rules=[PODS]))
    assert writes(rights, kinds.ROLE_BINDING, binding_of("pods")) is None
    for role in ("cluster-admin", "edit"):
        denial = writes(rights, kinds.ROLE_BINDING, binding_of(role))
        assert denial is not None
        assert f'the verb "bind" on clusterroles "{role}" is needed' in denial
    absent = writes(rights, kinds.ROLE_BINDING, binding_of("later", "Role"))
    assert absent is not None
    assert '"bind" on roles "later" is needed, as there is no such role yet' in absent


def test_whoever_may_bind_a_role_may_bind_that_one_only() -> None:
    bindable = rule("bind", "clusterroles", "rbac.authorization.k8s.io", ["edit"])
    rights = manager(bindable)
    assert writes(rights, kinds.ROLE_BINDING, binding_of("edit")) is None
    assert writes(rights, kinds.ROLE_BINDING, binding_of("admin")) is not None


def test_a_binding_whose_role_and_subjects_stay_may_be_written() -> None:
    rights, strong = manager(), binding_of("cluster-admin")
    labelled = binding_of("cluster-admin")
    labelled.metadata.labels["a"] = "b"
    assert writes(rights, kinds.ROLE_BINDING, labelled, stored=strong) is None
    joined = binding_of("cluster-admin", user="ada")
    assert writes(rights, kinds.ROLE_BINDING, joined, stored=strong) is not None


def test_rules_of_too_many_combinations_are_refused_before_they_are_compared() -> None:
    many = [str(number) for number in range(500)]
    huge = PolicyRule(verbs=many, api_groups=many, resources=many, resource_names=many)
    denial = writes(manager(PODS), kinds.CLUSTER_ROLE, ClusterRole(rules=[huge] * 50))
    assert denial is not None
    assert "too many to compare" in denial


# What is restored at start


def test_a_default_role_gets_back_what_it_lacks_and_keeps_what_was_added() -> None:
    default = next(r for r in defaults.default_roles() if r.metadata.name.endswith("to-edit"))
    assert defaults.restored(default, default) is None
    changed = ClusterRole()
    changed.CopyFrom(default)
    extra = rule("get", "coupons", "shop.example.com")
    del changed.rules[0]
    changed.rules.append(extra)
    restored = defaults.restored(changed, default)
    assert restored is not None
    assert extra in restored.rules
    assert all(one in restored.rules for one in default.rules)
    changed.metadata.annotations[defaults.AUTOUPDATE] = "false"
    assert defaults.restored(changed, default) is None


def test_a_default_binding_gets_its_subjects_back() -> None:
    default = defaults.default_bindings()[0]
    changed = ClusterRoleBinding()
    changed.CopyFrom(default)
    changed.subjects[0].name = "others"
    restored = defaults.restored(changed, default)
    assert restored is not None
    assert [one.name for one in restored.subjects] == ["others", default.subjects[0].name]
