"""What each identity may do: tables of allowed and denied calls."""

from typing import Any

import pytest

from podraft.api import kinds
from podraft.api.core.v1.node_pb2 import Node, NodeSpec, Taint
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1.meta_pb2 import ObjectMeta, OwnerReference, Time
from podraft.api.objects.references import references
from podraft.server.auth.authorize import Attributes, Lookup, Verb, authorize
from podraft.server.auth.identity import Identity, node_identity

ADMIN = Identity("admin", frozenset({"system:masters"}))
SCHEDULER = Identity("system:scheduler", frozenset({"system:scheduler"}))
CONTROLLERS = Identity("system:controllers", frozenset({"system:controllers"}))
NODE = node_identity("n1")
NOBODY = Identity("system:scheduler", frozenset({"guests"}))
VERBS: tuple[Verb, ...] = (
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
)
WRITES: tuple[Verb, ...] = ("create", "update", "patch", "delete")
READS: tuple[Verb, ...] = ("get", "list", "watch")
EVERY_KIND: list[AnyKind] = list(kinds.BUILT_IN)


def pod_on(node: str, namespace: str = "shop", name: str = "web") -> Pod:
    pod = Pod(metadata=ObjectMeta(name=name, namespace=namespace))
    pod.spec.node_name = node
    return pod


class Cluster:
    def __init__(self, *pods: Pod) -> None:
        self.pods = pods

    def pods_on_node(self, node: str) -> list[Pod]:
        return [pod for pod in self.pods if pod.spec.node_name == node]


EMPTY = Cluster()


def allowed(
    identity: Identity,
    verb: Verb,
    kind: AnyKind | None,
    lookup: Lookup = EMPTY,
    **attributes: Any,
) -> bool:
    return authorize(identity, Attributes(verb, kind, **attributes), lookup) is None


@pytest.mark.parametrize("kind", [None, *kinds.BUILT_IN])
@pytest.mark.parametrize("verb", VERBS)
def test_masters_may_do_all_and_others_nothing(kind: AnyKind | None, verb: Verb) -> None:
    for subresource in ("", "status", "binding", "exec", "jointokens"):
        assert allowed(ADMIN, verb, kind, subresource=subresource)
        assert not allowed(NOBODY, verb, kind, subresource=subresource)


def test_everyone_known_may_ask_the_version() -> None:
    for identity in (ADMIN, SCHEDULER, CONTROLLERS, NODE, NOBODY):
        assert allowed(identity, "get", None, subresource="version")
        if identity is not ADMIN:
            assert not allowed(identity, "create", None, subresource="jointokens")


def test_a_denial_says_who_what_and_why() -> None:
    denial = authorize(
        NODE, Attributes("get", kinds.SECRET, namespace="shop", name="password"), EMPTY
    )
    assert denial == (
        'user "system:node:n1" may not get secrets "password" in namespace "shop": '
        'no pod on node "n1" refers to it'
    )


def test_the_scheduler_reads_what_it_needs_and_no_secrets() -> None:
    for verb in READS:
        assert allowed(SCHEDULER, verb, kinds.POD)
        assert allowed(SCHEDULER, verb, kinds.NODE)
        assert not allowed(SCHEDULER, verb, kinds.SECRET)
        assert not allowed(SCHEDULER, verb, kinds.CONFIG_MAP)
    assert allowed(SCHEDULER, "create", kinds.POD, subresource="binding")
    assert allowed(SCHEDULER, "patch", kinds.POD, subresource="status")
    assert allowed(SCHEDULER, "update", kinds.LEASE, namespace="podraft-system")
    assert not allowed(SCHEDULER, "update", kinds.LEASE, namespace="kube-node-lease")
    assert allowed(SCHEDULER, "create", kinds.EVENT, namespace="shop")


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
def test_the_scheduler_writes_no_objects_but_events_and_its_lease(kind: AnyKind) -> None:
    for verb in WRITES:
        if kind in (kinds.EVENT, kinds.LEASE) and verb != "delete":
            continue
        assert not allowed(SCHEDULER, verb, kind, namespace="shop")


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
def test_controllers_write_every_kind_but_bind_exec_and_read_logs_of_none(kind: AnyKind) -> None:
    for verb in VERBS:
        assert allowed(CONTROLLERS, verb, kind)
        assert allowed(CONTROLLERS, verb, kind, subresource="status")
        for subresource in ("binding", "exec", "log"):
            assert not allowed(CONTROLLERS, verb, kind, subresource=subresource)


@pytest.mark.parametrize("verb", ["list", "watch"])
@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("spec.nodeName=n1", True),
        ("spec.nodeName==n1", True),
        ("status.phase=Running,spec.nodeName=n1", True),
        ("spec.nodeName=n2", False),
        ("spec.nodeName!=n1", False),
        ("spec.nodeName=n1x", False),
        ("", False),
        ("metadata.name=n1", False),
    ],
)
def test_a_node_lists_only_its_own_pods(verb: Verb, selector: str, expected: bool) -> None:
    assert allowed(NODE, verb, kinds.POD, field_selector=selector) is expected


def test_a_node_reads_and_reports_only_its_own_pods() -> None:
    own, other = pod_on("n1"), pod_on("n2")
    calls: list[tuple[Verb, str]] = [("get", ""), ("update", "status"), ("patch", "status")]
    for verb, subresource in calls:
        assert allowed(NODE, verb, kinds.POD, subresource=subresource, stored=own)
        assert not allowed(NODE, verb, kinds.POD, subresource=subresource, stored=other)
        assert not allowed(NODE, verb, kinds.POD, subresource=subresource, stored=Pod())
    assert not allowed(NODE, "update", kinds.POD, stored=own, object=own)
    assert not allowed(NODE, "create", kinds.POD, object=own)
    assert not allowed(NODE, "create", kinds.POD, subresource="binding", stored=own)
    assert not allowed(NODE, "create", kinds.POD, subresource="exec", stored=own)


def test_a_node_removes_only_own_pods_that_are_terminating() -> None:
    own, other = pod_on("n1"), pod_on("n2")
    assert not allowed(NODE, "delete", kinds.POD, stored=own)
    own.metadata.deletion_timestamp.CopyFrom(Time(seconds=1))
    other.metadata.deletion_timestamp.CopyFrom(Time(seconds=1))
    assert allowed(NODE, "delete", kinds.POD, stored=own)
    assert not allowed(NODE, "delete", kinds.POD, stored=other)


def referring_pod() -> Pod:
    pod = pod_on("n1")
    pod.spec.volumes.add().volume_source.config_map.local_object_reference.name = "cm-volume"
    pod.spec.volumes.add().volume_source.secret.secret_name = "secret-volume"
    for containers, suffix in ((pod.spec.containers, ""), (pod.spec.init_containers, "-init")):
        container = containers.add()
        group = container.env_from.add()
        group.config_map_ref.local_object_reference.name = f"cm-from{suffix}"
        container.env_from.add().secret_ref.local_object_reference.name = f"secret-from{suffix}"
        source = container.env.add().value_from
        source.config_map_key_ref.local_object_reference.name = f"cm-key{suffix}"
        source = container.env.add().value_from
        source.secret_key_ref.local_object_reference.name = f"secret-key{suffix}"
    return pod


def test_a_node_reads_exactly_what_its_pods_refer_to() -> None:
    pod = referring_pod()
    cluster = Cluster(pod, pod_on("n2"))
    referred = references(pod.spec)
    assert len(referred) == 10
    for word, name in referred:
        by_word: dict[str, kinds.AnyKind] = {"Secret": kinds.SECRET, "ConfigMap": kinds.CONFIG_MAP}
        kind = by_word.pop(word)
        (other,) = by_word.values()
        assert allowed(NODE, "get", kind, cluster, namespace="shop", name=name)
        assert not allowed(NODE, "get", kind, cluster, namespace="bank", name=name)
        assert not allowed(NODE, "get", other, cluster, namespace="shop", name=name)
        assert not allowed(node_identity("n2"), "get", kind, cluster, namespace="shop", name=name)
        for verb in WRITES:
            assert not allowed(NODE, verb, kind, cluster, namespace="shop", name=name)
        for verb in ("list", "watch"):
            one = f"metadata.name={name}"
            assert allowed(NODE, verb, kind, cluster, namespace="shop", field_selector=one)
            assert not allowed(NODE, verb, kind, cluster, namespace="shop")
            assert not allowed(NODE, verb, kind, cluster, field_selector=one)
    assert not allowed(NODE, "get", kinds.SECRET, cluster, namespace="shop", name="other")


def node(name: str = "n1", labels: dict[str, str] | None = None, **spec: Any) -> Node:
    return Node(metadata=ObjectMeta(name=name, labels=labels or {}), spec=NodeSpec(**spec))


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (node(), True),
        (node(labels={"disk": "ssd", "kubernetes.io/hostname": "n1"}), True),
        (node(labels={"node.kubernetes.io/anything": "x"}), True),
        (node(labels={"topology.kubernetes.io/zone": "z"}), True),
        (node(labels={"node-role.kubernetes.io/control-plane": ""}), False),
        (node(labels={"node-restriction.kubernetes.io/pci": "yes"}), False),
        (node(labels={"x.k8s.io/y": "1"}), False),
        (node(labels={"notkubernetes.io/y": "1"}), True),
        (node(pod_cidr="10.1.0.0/24"), False),
        (node(pod_cidrs=["10.1.0.0/24"]), False),
        (node(taints=[Taint(key="a", effect="NoSchedule")]), True),
        (None, False),
    ],
)
def test_a_node_registers_itself_within_limits(new: Node | None, expected: bool) -> None:
    assert allowed(NODE, "create", kinds.NODE, name="n1", object=new) is expected
    assert not allowed(NODE, "create", kinds.NODE, name="n2", object=new)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (node(pod_cidr="10.1.0.0/24", labels={"a": "1"}), True),
        (node(pod_cidr="10.2.0.0/24"), False),
        (node(), False),
        (node(pod_cidr="10.1.0.0/24", unschedulable=True), False),
        (node(pod_cidr="10.1.0.0/24", taints=[Taint(key="a", effect="NoExecute")]), False),
        (node(pod_cidr="10.1.0.0/24", labels={"kubernetes.io/role": "x"}), False),
    ],
)
def test_a_node_updates_itself_within_limits(new: Node | None, expected: bool) -> None:
    stored = node(pod_cidr="10.1.0.0/24")
    for verb in ("update", "patch"):
        assert allowed(NODE, verb, kinds.NODE, name="n1", object=new, stored=stored) is expected


def test_a_node_cannot_take_an_administrators_label_away_or_change_owners() -> None:
    stored = node(labels={"node-restriction.kubernetes.io/pci": "yes"})
    assert not allowed(NODE, "update", kinds.NODE, name="n1", object=node(), stored=stored)
    owned = node()
    owned.metadata.owner_references.append(OwnerReference(name="x"))
    assert not allowed(NODE, "update", kinds.NODE, name="n1", object=owned, stored=node())


@pytest.mark.parametrize("kind", [kinds.EVENT, kinds.LEASE, kinds.NODE])
@pytest.mark.parametrize("verb", ["create", "update", "patch"])
def test_a_node_holds_nobodys_deletion_by_an_owner_or_a_finalizer(
    kind: AnyKind, verb: Verb
) -> None:
    place: Any = {"namespace": "kube-node-lease" if kind is kinds.LEASE else "", "name": "n1"}
    said: Any = {"reporting_instance": "n1"} if kind is kinds.EVENT else {}
    stored = None if verb == "create" else kind.message(**said)
    assert allowed(NODE, verb, kind, object=kind.message(**said), stored=stored, **place)
    owner = OwnerReference(kind="Node", api_version="v1", name="n2", uid="u")
    owner.block_owner_deletion = True
    for metadata in (
        ObjectMeta(owner_references=[owner]),
        ObjectMeta(finalizers=["example.com/held"]),
    ):
        held = kind.message(metadata=metadata, **said)
        assert not allowed(NODE, verb, kind, object=held, stored=stored, **place)


def test_a_node_reports_its_own_status_and_is_not_its_own_undertaker() -> None:
    assert allowed(NODE, "update", kinds.NODE, name="n1", subresource="status")
    assert not allowed(NODE, "update", kinds.NODE, name="n2", subresource="status")
    assert not allowed(NODE, "delete", kinds.NODE, name="n1", stored=node())


def test_a_node_renews_its_own_lease_and_certificate() -> None:
    for verb in ("get", "create", "update", "patch"):
        assert allowed(NODE, verb, kinds.LEASE, namespace="kube-node-lease", name="n1")
        assert not allowed(NODE, verb, kinds.LEASE, namespace="kube-node-lease", name="n2")
        assert not allowed(NODE, verb, kinds.LEASE, namespace="podraft-system", name="n1")
    assert not allowed(NODE, "delete", kinds.LEASE, namespace="kube-node-lease", name="n1")
    assert allowed(NODE, "create", None, subresource="certificates")


def test_a_node_sees_services_and_slices_and_writes_neither_them_nor_workloads() -> None:
    kind: AnyKind
    for kind in (kinds.SERVICE, kinds.ENDPOINT_SLICE, kinds.NODE):
        for verb in READS:
            assert allowed(NODE, verb, kind)
    for kind in (kinds.SERVICE, kinds.ENDPOINT_SLICE, kinds.DEPLOYMENT, kinds.REPLICA_SET):
        for verb in WRITES:
            assert not allowed(NODE, verb, kind, namespace="shop", name="x")
    for kind in (kinds.DEPLOYMENT, kinds.REPLICA_SET, kinds.NAMESPACE):
        for verb in VERBS:
            assert not allowed(NODE, verb, kind, namespace="shop", name="x")
    assert allowed(NODE, "create", kinds.EVENT, namespace="shop")
    assert not allowed(NODE, "list", kinds.EVENT, namespace="shop")


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
def test_neither_nodes_nor_the_scheduler_delete_collections(kind: AnyKind) -> None:
    for namespace in ("", "shop", "podraft-system", "kube-node-lease"):
        for selector in ("", "spec.nodeName=n1", "metadata.name=n1"):
            where: Any = {"namespace": namespace, "field_selector": selector}
            assert not allowed(NODE, "deletecollection", kind, Cluster(pod_on("n1")), **where)
            assert not allowed(SCHEDULER, "deletecollection", kind, **where)


def test_everyone_known_may_list_the_servers_but_only_administrators_change_them() -> None:
    for identity in (NODE, SCHEDULER, CONTROLLERS, NOBODY, ADMIN):
        assert allowed(identity, "list", None, subresource="members")
        for verb in ("create", "update", "delete"):
            assert allowed(identity, verb, None, subresource="members") == identity.is_admin
