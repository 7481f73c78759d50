"""Namespaces and Nodes: the kinds that are in no namespace."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from podraft.api import names
from podraft.api.core.v1 import namespace_pb2, node_pb2
from podraft.api.violations import shown
from podraft.server.kinds.pods import TAINT_EFFECTS
from podraft.server.kinds.report import Report
from podraft.server.kinds.statuses import check_namespace_status, check_node_status

NAME_LABEL = "kubernetes.io/metadata.name"
NAMESPACE_FINALIZER = "kubernetes"
MAX_TAINTS = 256


def default_namespace(namespace: namespace_pb2.Namespace) -> None:
    """Label a namespace with its name, so that selectors can name it."""
    if namespace.metadata.name:
        namespace.metadata.labels[NAME_LABEL] = namespace.metadata.name


def begin_namespace(namespace: namespace_pb2.Namespace) -> None:
    """Give a new namespace the finalizer that empties it before it goes."""
    namespace.ClearField("spec")
    namespace.spec.finalizers.append(NAMESPACE_FINALIZER)
    namespace.status.phase = "Active"


def check_namespace(namespace: namespace_pb2.Namespace, report: Report) -> None:
    """Check a Namespace."""
    check_namespace_status(namespace, report)
    for finalizer in namespace.spec.finalizers:
        if finalizer != NAMESPACE_FINALIZER:
            report.add(
                "spec.finalizers",
                f'nobody serves {shown(finalizer)}: expected "{NAMESPACE_FINALIZER}" or nothing',
            )


def keep_finalizers(stored: namespace_pb2.Namespace, namespace: namespace_pb2.Namespace) -> None:
    """Keep the finalizers until the namespace is deleted: only then they can go."""
    if not stored.metadata.HasField("deletion_timestamp"):
        added = [f for f in namespace.spec.finalizers if f not in stored.spec.finalizers]
        namespace.spec.CopyFrom(stored.spec)
        namespace.spec.finalizers.extend(added)  # They are refused, and not dropped in silence.


def check_namespace_change(
    stored: namespace_pb2.Namespace, namespace: namespace_pb2.Namespace, report: Report
) -> None:
    """Check that a namespace does not get its finalizer back while it is being deleted."""
    finalizer = NAMESPACE_FINALIZER
    if finalizer in namespace.spec.finalizers and finalizer not in stored.spec.finalizers:
        report.add("spec.finalizers", f"{shown(finalizer)} cannot be added")


def default_node(node: node_pb2.Node) -> None:
    """Let ``podCIDR`` and ``podCIDRs`` say the same."""
    spec = node.spec
    if spec.pod_cidr and not spec.pod_cidrs:
        spec.pod_cidrs.append(spec.pod_cidr)
    elif spec.pod_cidrs and not spec.pod_cidr:
        spec.pod_cidr = spec.pod_cidrs[0]


def check_node(node: node_pb2.Node, report: Report) -> None:
    """Check a Node."""
    spec = node.spec
    if spec.pod_cidr:
        _check_network(spec.pod_cidr, "spec.podCIDR", report)
    if len(spec.pod_cidrs) > 1:
        report.add("spec.podCIDRs", "must be a single range: only IPv4 is supported")
    elif spec.pod_cidrs and spec.pod_cidrs[0] != spec.pod_cidr:
        report.add("spec.podCIDRs[0]", f"must equal spec.podCIDR ({spec.pod_cidr})")
    if spec.taints:
        _check_taints(spec.taints, report)
    check_node_status(node, report)


def _check_network(value: str, field: str, report: Report) -> None:
    try:
        is_range = str(ipaddress.IPv4Network(value)) == value
    except ValueError:
        is_range = False
    if not is_range:
        report.add(field, f"expected an IPv4 range such as 10.244.1.0/24, got {shown(value)}")


def _check_taints(taints: Iterable[node_pb2.Taint], report: Report) -> None:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        path = f"spec.taints[{index}]"
        report.name(f"{path}.key", taint.key, names.qualified(taint.key))
        if (problem := names.label_value(taint.value)) is not None:
            report.add(f"{path}.value", f"{shown(taint.value)} {problem}")
        report.one_of(f"{path}.effect", taint.effect, TAINT_EFFECTS)
        if (taint.key, taint.effect) in seen:
            report.add(path, f"duplicate: {taint.key}:{taint.effect} is listed already")
        seen.add((taint.key, taint.effect))
    if len(seen) > MAX_TAINTS:
        report.add("spec.taints", f"must be at most {MAX_TAINTS}, are {len(seen)}")


def check_node_change(stored: node_pb2.Node, node: node_pb2.Node, report: Report) -> None:
    """Check that a node keeps the addresses of its pods."""
    before = stored.spec.pod_cidr
    if before and node.spec.pod_cidr != before:
        report.add("spec.podCIDR", f"cannot be changed: it is {before}")


def keep_pod_network(stored: node_pb2.Node, node: node_pb2.Node) -> None:
    """Keep the range that an update does not mention."""
    if stored.spec.pod_cidr and not node.spec.pod_cidr and not node.spec.pod_cidrs:
        node.spec.pod_cidr = stored.spec.pod_cidr
