"""Settings of a pod as a whole: its names, DNS, identity, gates, and what it claims.

Owns: their rules.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Final

from podraft.api import names
from podraft.api.core.v1.pod_pb2 import PodSpec
from podraft.api.core.v1.pod_settings_pb2 import HostAlias, PodDNSConfig, PodResourceClaim
from podraft.api.violations import shown
from podraft.server.kinds.report import Report, check_exactly_one
from podraft.server.kinds.shared.addresses import is_ip
from podraft.server.kinds.shared.amounts import check_amounts, check_resources

CLUSTER_FIRST: Final = "ClusterFirst"
_NONE: Final = "None"
_DNS_POLICIES: Final = (CLUSTER_FIRST, "ClusterFirstWithHostNet", "Default", _NONE)
_PREEMPTION: Final = ("PreemptLowerPriority", "Never")
_SYSTEMS: Final = ("linux", "windows")
_SERVERS_MAX: Final = 3
_SEARCHES_MAX: Final = 32
_SEARCH_CHARACTERS_MAX: Final = 2048


def default_settings(spec: PodSpec) -> None:
    """Fill in the settings that a pod leaves out."""
    if not spec.dns_policy:
        spec.dns_policy = CLUSTER_FIRST
    if spec.service_account and not spec.service_account_name:
        spec.service_account_name = spec.service_account
    elif spec.service_account_name:
        spec.service_account = spec.service_account_name


def check_settings(spec: PodSpec, field: str, report: Report) -> None:
    """Check the settings of a pod."""
    report.one_of(f"{field}.dnsPolicy", spec.dns_policy, _DNS_POLICIES)
    for name, value, problem in (
        ("serviceAccountName", spec.service_account_name, names.dns_subdomain),
        ("subdomain", spec.subdomain, names.dns_label),
        ("hostnameOverride", spec.hostname_override, names.dns_subdomain),
        ("priorityClassName", spec.priority_class_name, names.dns_subdomain),
        ("runtimeClassName", spec.runtime_class_name, names.dns_subdomain),
    ):
        if value and (found := problem(value)) is not None:
            report.add(f"{field}.{name}", f"{shown(value)} {found}")
    if spec.preemption_policy:
        report.one_of(f"{field}.preemptionPolicy", spec.preemption_policy, _PREEMPTION)
    if spec.HasField("os"):
        report.one_of(f"{field}.os.name", spec.os.name, _SYSTEMS)
    if spec.share_process_namespace and spec.host_pid:
        report.add(f"{field}.shareProcessNamespace", "must not be true when hostPID is")
    if spec.ephemeral_containers:
        must = "must be empty: such containers are only added to a pod that runs"
        report.add(f"{field}.ephemeralContainers", must)
    if spec.HasField("dns_config") or spec.dns_policy == _NONE:
        _check_dns(spec.dns_config, spec.dns_policy, f"{field}.dnsConfig", report)
    if spec.host_aliases:
        _check_aliases(spec.host_aliases, f"{field}.hostAliases", report)
    _check_gates(spec, field, report)
    if spec.overhead:
        check_amounts(spec.overhead, f"{field}.overhead", report)
    if spec.HasField("resources"):
        check_resources(spec.resources, f"{field}.resources", report)
    if spec.resource_claims:
        _check_claims(spec.resource_claims, f"{field}.resourceClaims", report)


def _check_dns(config: PodDNSConfig, policy: str, field: str, report: Report) -> None:
    servers, searches = config.nameservers, config.searches
    if policy == _NONE and not servers:
        report.add(f"{field}.nameservers", "must have at least one when dnsPolicy is None")
    if len(servers) > _SERVERS_MAX:
        report.add(f"{field}.nameservers", f"must be at most {_SERVERS_MAX}, are {len(servers)}")
    for index, server in enumerate(servers):
        if not is_ip(server):
            report.add(
                f"{field}.nameservers[{index}]", f"expected an IP address, got {shown(server)}"
            )
    characters = len(" ".join(searches))
    if len(searches) > _SEARCHES_MAX or characters > _SEARCH_CHARACTERS_MAX:
        most = f"{_SEARCHES_MAX} of {_SEARCH_CHARACTERS_MAX} characters in sum"
        report.add(
            f"{field}.searches", f"must be at most {most}, are {len(searches)} of {characters}"
        )
        return
    for index, search in enumerate(searches):
        # A name may end with the root's dot, or be the root.
        name = search.removesuffix(".")
        if search != "." and (problem := names.dns_subdomain(name)) is not None:
            report.add(f"{field}.searches[{index}]", f"{shown(search)} {problem}")
    for index, option in enumerate(config.options):
        if not option.name:
            report.required(f"{field}.options[{index}].name")


def _check_aliases(aliases: Iterable[HostAlias], field: str, report: Report) -> None:
    seen: set[str] = set()
    for index, alias in enumerate(aliases):
        path, address = f"{field}[{index}]", alias.ip
        if not is_ip(address):
            report.add(f"{path}.ip", f"expected an IP address, got {shown(address)}")
        elif (canonical := str(ipaddress.ip_address(address))) in seen:
            report.add(f"{path}.ip", f"duplicate: {shown(address)} is listed already")
        else:
            seen.add(canonical)
        for position, name in enumerate(alias.hostnames):
            report.name(f"{path}.hostnames[{position}]", name, names.dns_subdomain(name))


def _check_gates(spec: PodSpec, field: str, report: Report) -> None:
    for index, gate in enumerate(spec.readiness_gates):
        type_ = gate.condition_type
        report.name(f"{field}.readinessGates[{index}].conditionType", type_, names.qualified(type_))
    if not spec.scheduling_gates:
        return
    _check_names(spec.scheduling_gates, names.qualified, f"{field}.schedulingGates", report)
    if spec.node_name:
        report.add(f"{field}.nodeName", "must not be set while there are schedulingGates")


def _check_names(entries: Iterable[Any], problem: Any, field: str, report: Report) -> set[str]:
    """Check that the entries of a list have valid names, each its own; return them."""
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        report.name(f"{field}[{index}].name", entry.name, problem(entry.name))
        if entry.name in seen:
            report.add(
                f"{field}[{index}].name", f"duplicate: {shown(entry.name)} is listed already"
            )
        seen.add(entry.name)
    return seen


def _check_claims(claims: Iterable[PodResourceClaim], field: str, report: Report) -> None:
    listed = list(claims)
    _check_names(listed, names.dns_label, field, report)
    for index, claim in enumerate(listed):
        options = ("resourceClaimName", "resourceClaimTemplateName")
        values = (claim.resource_claim_name, claim.resource_claim_template_name)
        chosen = [name for name, value in zip(options, values, strict=True) if value]
        check_exactly_one(chosen, options, f"{field}[{index}]", report)
        for name, value in zip(options, values, strict=True):
            if value and (found := names.dns_subdomain(value)) is not None:
                report.add(f"{field}[{index}].{name}", f"{shown(value)} {found}")
