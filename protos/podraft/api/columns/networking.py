"""The tables of the group ``networking.k8s.io``: ways in from outside, and what may pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podraft.api import kinds
from podraft.api.columns.column import AGE, NAME, NONE, Column, Table, first_few, selector_text
from podraft.api.networking.v1 import ingress_class_pb2, ingress_pb2

_HTTP, _HTTPS = "80", "443"


def _hosts(ingress: ingress_pb2.Ingress, now_s: float) -> str:
    named = [rule.host for rule in ingress.spec.rules if rule.host]
    return first_few(named) if named else "*"


def _address(ingress: ingress_pb2.Ingress, now_s: float) -> str:
    points = ingress.status.load_balancer.ingress
    return ",".join(point.ip or point.hostname for point in points)


def _ports(ingress: ingress_pb2.Ingress, now_s: float) -> str:
    return f"{_HTTP}, {_HTTPS}" if ingress.spec.tls else _HTTP


def _parameters(ingress_class: ingress_class_pb2.IngressClass, now_s: float) -> str:
    if not ingress_class.spec.HasField("parameters"):
        return NONE
    named = ingress_class.spec.parameters
    kind = f"{named.kind}.{named.api_group}" if named.api_group else named.kind
    return f"{kind}/{named.name}"


_INGRESS: Final = (
    NAME,
    Column("CLASS", lambda ingress, now_s: ingress.spec.ingress_class_name or NONE),
    Column("HOSTS", _hosts),
    Column("ADDRESS", _address),
    Column("PORTS", _ports),
    AGE,
)
_INGRESS_CLASS: Final = (
    NAME,
    Column("CONTROLLER", lambda ingress_class, now_s: ingress_class.spec.controller),
    Column("PARAMETERS", _parameters),
    AGE,
)
_NETWORK_POLICY: Final = (
    NAME,
    Column("POD-SELECTOR", lambda policy, now_s: selector_text(policy.spec.pod_selector)),
    AGE,
)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.INGRESS: Table(_INGRESS),
    kinds.INGRESS_CLASS: Table(_INGRESS_CLASS),
    kinds.NETWORK_POLICY: Table(_NETWORK_POLICY),
}
