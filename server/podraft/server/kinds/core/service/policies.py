"""How a Service's connections find their pods: affinity, traffic policies, address families.

Owns: the defaults and rules of these fields, and of those that are for load balancers.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from podraft.api import names
from podraft.api.core.v1.service_pb2 import ServiceSpec
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.addresses import is_ip, special

_CLIENT_IP: Final = "ClientIP"
_NO_AFFINITY: Final = "None"
_AFFINITY_S: Final = 10_800
_AFFINITY_S_MAX: Final = 86_400
_CLUSTER: Final = "Cluster"
_POLICIES: Final = (_CLUSTER, "Local")
_SINGLE_STACK: Final = "SingleStack"
_FAMILY_POLICIES: Final = (_SINGLE_STACK, "PreferDualStack", "RequireDualStack")
_FAMILIES: Final = ("IPv4", "IPv6")
_DISTRIBUTIONS: Final = ("PreferClose", "PreferSameZone", "PreferSameNode")
# The types that are reached from outside of the cluster.
_OUTSIDE: Final = ("NodePort", "LoadBalancer")
_LOAD_BALANCER: Final = "LoadBalancer"


def default_policies(spec: ServiceSpec) -> None:
    """Fill in the policies that a Service leaves out."""
    if not spec.session_affinity:
        spec.session_affinity = _NO_AFFINITY
    if spec.session_affinity == _CLIENT_IP:
        client = spec.session_affinity_config.client_ip
        if not client.HasField("timeout_seconds"):
            client.timeout_seconds = _AFFINITY_S
    if not spec.internal_traffic_policy:
        spec.internal_traffic_policy = _CLUSTER
    if spec.type in _OUTSIDE and not spec.external_traffic_policy:
        spec.external_traffic_policy = _CLUSTER
    if not spec.ip_family_policy:
        spec.ip_family_policy = _SINGLE_STACK
    if not spec.ip_families:
        spec.ip_families.append(_FAMILIES[0])


def check_policies(spec: ServiceSpec, report: Report) -> None:
    """Check the policies of a Service."""
    _check_affinity(spec, report)
    report.one_of("spec.internalTrafficPolicy", spec.internal_traffic_policy, _POLICIES)
    if spec.external_traffic_policy:
        report.one_of("spec.externalTrafficPolicy", spec.external_traffic_policy, _POLICIES)
        if spec.type not in _OUTSIDE and not spec.external_ips:
            must = "must only be set where the service is reached from outside"
            report.add("spec.externalTrafficPolicy", f"{must}, not for type {spec.type}")
    _check_families(spec, report)
    for index, address in enumerate(spec.external_ips):
        path = f"spec.externalIPs[{index}]"
        if not is_ip(address):
            report.add(path, f"expected an IP address, got {shown(address)}")
        elif (problem := special(address)) is not None:
            report.add(path, f"{shown(address)} {problem}")
    if spec.traffic_distribution:
        report.one_of("spec.trafficDistribution", spec.traffic_distribution, _DISTRIBUTIONS)
    if spec.external_name and (problem := _name_problem(spec.external_name)) is not None:
        report.add("spec.externalName", f"{shown(spec.external_name)} {problem}")
    _check_load_balancer(spec, report)


def _name_problem(name: str) -> str | None:
    return names.dns_subdomain(name.lower().removesuffix("."))


def _check_affinity(spec: ServiceSpec, report: Report) -> None:
    affinity, path = spec.session_affinity, "spec.sessionAffinityConfig"
    report.one_of("spec.sessionAffinity", affinity, (_NO_AFFINITY, _CLIENT_IP))
    if affinity == _CLIENT_IP:
        seconds = spec.session_affinity_config.client_ip.timeout_seconds
        report.between(f"{path}.clientIP.timeoutSeconds", seconds, 1, _AFFINITY_S_MAX)
    elif spec.HasField("session_affinity_config"):
        report.add(path, f"must only be set when sessionAffinity is {_CLIENT_IP}")


def _check_families(spec: ServiceSpec, report: Report) -> None:
    report.one_of("spec.ipFamilyPolicy", spec.ip_family_policy, _FAMILY_POLICIES)
    if len(spec.ip_families) > len(_FAMILIES):
        report.add("spec.ipFamilies", f"must be at most 2, are {len(spec.ip_families)}")
        return
    for index, family in enumerate(spec.ip_families):
        report.one_of(f"spec.ipFamilies[{index}]", family, _FAMILIES)
    if len(spec.ip_families) == len(_FAMILIES):
        if spec.ip_families[0] == spec.ip_families[1]:
            report.add("spec.ipFamilies[1]", f"duplicate: {spec.ip_families[1]} is listed already")
        if spec.ip_family_policy == _SINGLE_STACK:
            report.add("spec.ipFamilies", f"must be one when ipFamilyPolicy is {_SINGLE_STACK}")


def _check_load_balancer(spec: ServiceSpec, report: Report) -> None:
    is_one = spec.type == _LOAD_BALANCER
    for name, is_set in (
        ("allocateLoadBalancerNodePorts", spec.HasField("allocate_load_balancer_node_ports")),
        ("loadBalancerClass", bool(spec.load_balancer_class)),
        ("loadBalancerSourceRanges", bool(spec.load_balancer_source_ranges)),
        ("healthCheckNodePort", bool(spec.health_check_node_port)),
    ):
        if is_set and not is_one:
            report.add(f"spec.{name}", f"must only be set for type {_LOAD_BALANCER}")
    report.between("spec.healthCheckNodePort", spec.health_check_node_port, 0, 65535)
    for index, cidr in enumerate(spec.load_balancer_source_ranges):
        try:
            ipaddress.ip_network(cidr.strip(), strict=False)
        except ValueError:
            path = f"spec.loadBalancerSourceRanges[{index}]"
            report.add(path, f"expected a range such as 198.51.100.0/24, got {shown(cidr)}")
    name = spec.load_balancer_class
    if name and (problem := names.qualified(name)) is not None:
        report.add("spec.loadBalancerClass", f"{shown(name)} {problem}")
