"""IngressClasses: the controller that serves the Ingresses of a class."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.networking.v1.ingress_class_pb2 import (
    IngressClass,
    IngressClassParametersReference,
)
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules

_CLUSTER, _NAMESPACE = "Cluster", "Namespace"
_CONTROLLER_MAX: Final = 250


def _default(ingress_class: IngressClass) -> None:
    spec = ingress_class.spec
    if spec.HasField("parameters") and not spec.parameters.HasField("scope"):
        spec.parameters.scope = _CLUSTER


def _check(ingress_class: IngressClass, report: Report) -> None:
    spec = ingress_class.spec
    if len(spec.controller) > _CONTROLLER_MAX:
        found = len(spec.controller)
        report.add("spec.controller", f"must be at most {_CONTROLLER_MAX} characters, is {found}")
    else:
        report.name("spec.controller", spec.controller, names.domain_path(spec.controller))
    if spec.HasField("parameters"):
        _check_parameters(spec.parameters, "spec.parameters", report)


def _check_parameters(named: IngressClassParametersReference, field: str, report: Report) -> None:
    if named.api_group and (problem := names.dns_subdomain(named.api_group)) is not None:
        report.add(f"{field}.apiGroup", f"{shown(named.api_group)} {problem}")
    report.name(f"{field}.kind", named.kind, names.path_segment(named.kind))
    report.name(f"{field}.name", named.name, names.path_segment(named.name))
    report.one_of(f"{field}.scope", named.scope, (_CLUSTER, _NAMESPACE))
    if named.scope == _NAMESPACE:
        problem = names.dns_label(named.namespace)
        report.name(f"{field}.namespace", named.namespace, problem)
    elif named.scope == _CLUSTER and named.HasField("namespace"):
        report.add(f"{field}.namespace", f"must not be set when scope is {_CLUSTER}")


def _check_change(stored: IngressClass, ingress_class: IngressClass, report: Report) -> None:
    if stored.spec.controller != ingress_class.spec.controller:
        report.add("spec.controller", f"cannot be changed: it is {shown(stored.spec.controller)}")


RULES: Final[Rules[IngressClass]] = Rules(
    default=_default, check=_check, check_change=_check_change
)
