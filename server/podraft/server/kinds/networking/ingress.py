"""Ingresses: hosts and paths, and the backends that answer for them."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.core.v1.reference_pb2 import TypedLocalObjectReference
from podraft.api.networking.v1.ingress_pb2 import (
    HTTPIngressPath,
    Ingress,
    IngressBackend,
    IngressRule,
    IngressSpec,
    ServiceBackendPort,
)
from podraft.api.objects.ports import PROTOCOLS
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.addresses import is_any_address
from podraft.server.kinds.shared.conditions import has_at_most

_LITERAL_TYPES: Final = ("Exact", "Prefix")
_PATH_TYPES: Final = (*_LITERAL_TYPES, "ImplementationSpecific")
# What a proxy would read as another path than the one that is written.
_AMBIGUOUS: Final = ("//", "/./", "/../", "%2f", "%2F")
_AMBIGUOUS_ENDS: Final = ("/.", "/..")
_CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"
_POINTS_MAX: Final = 64


def _check(ingress: Ingress, report: Report) -> None:
    """Check an Ingress."""
    spec = ingress.spec
    if not spec.rules and not spec.HasField("default_backend"):
        report.add("spec", "must have rules or a defaultBackend")
    if spec.HasField("default_backend"):
        _check_backend(spec.default_backend, "spec.defaultBackend", report)
    _check_tls(spec, report)
    for index, rule in enumerate(spec.rules):
        _check_rule(rule, f"spec.rules[{index}]", report)
    if spec.HasField("ingress_class_name"):
        name = spec.ingress_class_name
        report.name("spec.ingressClassName", name, names.dns_subdomain(name))
        if _CLASS_ANNOTATION in ingress.metadata.annotations:
            report.add(
                f"metadata.annotations[{_CLASS_ANNOTATION}]",
                "must not be set beside spec.ingressClassName, which says the same",
            )


def _check_tls(spec: IngressSpec, report: Report) -> None:
    for index, tls in enumerate(spec.tls):
        path = f"spec.tls[{index}]"
        for position, host in enumerate(tls.hosts):
            if (problem := names.dns_wildcard(host)) is not None:
                report.add(f"{path}.hosts[{position}]", f"{shown(host)} {problem}")
        if tls.secret_name and (problem := names.dns_subdomain(tls.secret_name)) is not None:
            report.add(f"{path}.secretName", f"{shown(tls.secret_name)} {problem}")


def _check_rule(rule: IngressRule, field: str, report: Report) -> None:
    if is_any_address(rule.host):
        report.add(f"{field}.host", f"must be a DNS name, not an address, is {shown(rule.host)}")
    elif rule.host and (problem := names.dns_wildcard(rule.host)) is not None:
        report.add(f"{field}.host", f"{shown(rule.host)} {problem}")
    if not rule.ingress_rule_value.HasField("http"):
        return
    paths = rule.ingress_rule_value.http.paths
    if not paths:
        report.add(f"{field}.http.paths", "must have at least one path")
    for index, path in enumerate(paths):
        _check_path(path, f"{field}.http.paths[{index}]", report)


def _check_path(path: HTTPIngressPath, field: str, report: Report) -> None:
    if not path.path_type:
        report.add(f"{field}.pathType", f"is required: one of {', '.join(_PATH_TYPES)}")
    else:
        report.one_of(f"{field}.pathType", path.path_type, _PATH_TYPES)
    is_literal = path.path_type in _LITERAL_TYPES
    if not path.path.startswith("/") and (path.path or is_literal):
        report.add(f"{field}.path", f"must begin with '/', is {shown(path.path)}")
    elif is_literal:
        found = [part for part in _AMBIGUOUS if part in path.path]
        found += [end for end in _AMBIGUOUS_ENDS if path.path.endswith(end)]
        for part in found:
            report.add(f"{field}.path", f"must not contain '{part}', is {shown(path.path)}")
    _check_backend(path.backend, f"{field}.backend", report)


def _check_backend(backend: IngressBackend, field: str, report: Report) -> None:
    has_service, has_resource = backend.HasField("service"), backend.HasField("resource")
    if has_service and has_resource:
        report.add(field, "must have either a service or a resource, not both")
    elif has_resource:
        _check_resource(backend.resource, f"{field}.resource", report)
    elif has_service:
        service = backend.service
        report.name(f"{field}.service.name", service.name, names.dns_label_1035(service.name))
        _check_port(service.port, f"{field}.service.port", report)
    else:
        report.add(field, "must have a service or a resource")


def _check_resource(resource: TypedLocalObjectReference, field: str, report: Report) -> None:
    if resource.api_group and (problem := names.dns_subdomain(resource.api_group)) is not None:
        report.add(f"{field}.apiGroup", f"{shown(resource.api_group)} {problem}")
    report.name(f"{field}.kind", resource.kind, names.path_segment(resource.kind))
    report.name(f"{field}.name", resource.name, names.path_segment(resource.name))


def _check_port(port: ServiceBackendPort, field: str, report: Report) -> None:
    if port.name and port.number:
        report.add(field, "must have either a name or a number, not both")
    elif port.name:
        if (problem := names.port_name(port.name)) is not None:
            report.add(f"{field}.name", f"{shown(port.name)} {problem}")
    elif port.HasField("number"):
        report.between(f"{field}.number", port.number, 1, 65535)
    else:
        report.add(field, "must have a name or a number")


def _check_status(ingress: Ingress, report: Report) -> None:
    """Check where an Ingress is said to be served."""
    points, field = ingress.status.load_balancer.ingress, "status.loadBalancer.ingress"
    if not has_at_most(_POINTS_MAX, points, field, report):
        return
    for index, point in enumerate(points):
        path = f"{field}[{index}]"
        if point.ip and not is_any_address(point.ip):
            report.add(f"{path}.ip", f"is no address: {shown(point.ip)}")
        if is_any_address(point.hostname):
            what = f"must be a DNS name, not an address, is {shown(point.hostname)}"
            report.add(f"{path}.hostname", what)
        elif point.hostname and (problem := names.dns_subdomain(point.hostname)) is not None:
            report.add(f"{path}.hostname", f"{shown(point.hostname)} {problem}")
        if not has_at_most(_POINTS_MAX, point.ports, f"{path}.ports", report):
            continue
        for position, port in enumerate(point.ports):
            report.between(f"{path}.ports[{position}].port", port.port, 1, 65535)
            report.one_of(f"{path}.ports[{position}].protocol", port.protocol, PROTOCOLS)
            if port.error and (problem := names.qualified(port.error)) is not None:
                report.add(f"{path}.ports[{position}].error", f"{shown(port.error)} {problem}")


RULES: Final[Rules[Ingress]] = Rules(check=_check, check_status=_check_status)
