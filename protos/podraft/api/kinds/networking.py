"""The kinds of ``networking.k8s.io``: how pods are reached from outside, and who may reach them.

Owns: their entries.  Invariant: a class comes before the Ingresses that name it.
"""

from __future__ import annotations

from typing import Final

from podraft.api.kinds.kind import AnyKind, Kind, Order
from podraft.api.networking.v1 import ingress_class_pb2, ingress_pb2, network_policy_pb2

_API_VERSION: Final = "networking.k8s.io/v1"

INGRESS_CLASS = Kind(
    message=ingress_class_pb2.IngressClass,
    api_version=_API_VERSION,
    resource="ingressclasses",
    namespaced=False,
    order=Order.CONFIG,
    selectable_fields=("metadata.name",),
    counts_generations=True,
)
NETWORK_POLICY = Kind(
    message=network_policy_pb2.NetworkPolicy,
    api_version=_API_VERSION,
    resource="networkpolicies",
    short_names=("netpol",),
    order=Order.NETWORK,
    counts_generations=True,
)
INGRESS = Kind(
    message=ingress_pb2.Ingress,
    api_version=_API_VERSION,
    resource="ingresses",
    short_names=("ing",),
    order=Order.NETWORK,
    subresources=("status",),
)

KINDS: Final[tuple[AnyKind, ...]] = (INGRESS_CLASS, NETWORK_POLICY, INGRESS)
