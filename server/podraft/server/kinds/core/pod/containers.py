"""Containers of a pod: their defaults and their rules.

Owns: names, images and pull policy, ports and restarts of a container.  Its environment, probes,
mounts, security and resources have modules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from podraft.api import names
from podraft.api.core.v1 import container_pb2
from podraft.api.objects.amounts import CPU, MEMORY
from podraft.api.objects.images import PULL_POLICIES, implied_pull_policy
from podraft.api.objects.pods import RESTART_ALWAYS, RESTART_POLICIES
from podraft.api.objects.ports import PROTOCOLS, TCP
from podraft.api.violations import shown
from podraft.server.kinds.core.pod.environment import (
    check_env_from,
    check_variable,
    default_variable,
)
from podraft.server.kinds.core.pod.mounts import check_mounts
from podraft.server.kinds.core.pod.probes import (
    check_lifecycle,
    check_probe,
    default_http_get,
    default_probe,
)
from podraft.server.kinds.core.pod.security import check_container_security
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.addresses import is_ip
from podraft.server.kinds.shared.amounts import check_resources, derive_requests

_IMAGE = re.compile(r"[\x21-\x7e]+")
_TERMINATION_PATH: Final = "/dev/termination-log"
_TERMINATION_POLICIES: Final = ("File", "FallbackToLogsOnError")
_RESIZED: Final = (CPU, MEMORY)
_RESIZE_POLICIES: Final = ("NotRequired", "RestartContainer")
_RESTART_ACTIONS: Final = ("Restart", "RestartAllContainers")
_RESTART_RULES_MAX: Final = 20
_EXIT_CODES_MAX: Final = 255


def derive_container(container: container_pb2.Container) -> None:
    """Fill in what follows from other fields: in pods only, see `pods.derive_spec`."""
    if not container.image_pull_policy:
        container.image_pull_policy = implied_pull_policy(container.image)
    if container.HasField("resources"):
        derive_requests(container.resources)


def default_container(container: container_pb2.Container) -> None:
    """Fill in the fields that a container leaves out and nobody else decides."""
    for port in container.ports:
        if not port.protocol:
            port.protocol = TCP
    if not container.termination_message_path:
        container.termination_message_path = _TERMINATION_PATH
    if not container.termination_message_policy:
        container.termination_message_policy = _TERMINATION_POLICIES[0]
    for variable in container.env:
        default_variable(variable)
    if container.HasField("liveness_probe"):
        default_probe(container.liveness_probe)
    if container.HasField("readiness_probe"):
        default_probe(container.readiness_probe)
    if container.HasField("startup_probe"):
        default_probe(container.startup_probe)
    if container.HasField("lifecycle"):
        for hook in (container.lifecycle.post_start, container.lifecycle.pre_stop):
            if hook.HasField("http_get"):
                default_http_get(hook.http_get)


def check_container(
    container: container_pb2.Container,
    field: str,
    taken: set[str],
    volumes: Collection[str],
    grace_s: int,
    report: Report,
    *,
    initial: bool,
) -> None:
    """Check one container; ``taken`` are the names of the pod's containers so far."""
    name = container.name
    report.name(f"{field}.name", name, names.dns_label(name))
    if name in taken:
        report.add(f"{field}.name", f"duplicate: another container is called {shown(name)}")
    taken.add(name)
    image = container.image
    if not image:
        report.required(f"{field}.image")
    elif not _IMAGE.fullmatch(image):
        report.add(f"{field}.image", f"must not contain spaces or controls, is {shown(image)}")
    if container.image_pull_policy and container.image_pull_policy not in PULL_POLICIES:
        report.one_of(f"{field}.imagePullPolicy", container.image_pull_policy, PULL_POLICIES)
    _check_words(container, field, report)
    if container.ports:
        _check_ports(container, f"{field}.ports", report)
    for index, variable in enumerate(container.env):
        check_variable(variable, f"{field}.env[{index}]", report)
    for index, source in enumerate(container.env_from):
        check_env_from(source, f"{field}.envFrom[{index}]", report)
    if container.HasField("resources"):
        check_resources(container.resources, f"{field}.resources", report)
    if container.volume_mounts or container.volume_devices:
        check_mounts(container, volumes, field, report)
    if container.HasField("security_context"):
        check_container_security(container.security_context, f"{field}.securityContext", report)
    _check_lasting(container, field, report)
    # An init container that is always restarted is a sidecar: it stays.
    if initial and container.restart_policy != RESTART_ALWAYS:
        _check_initial(container, field, report)
    else:
        _check_watched(container, field, grace_s, report)


def _check_words(container: container_pb2.Container, field: str, report: Report) -> None:
    if "\0" in container.working_dir:
        report.no_nul(f"{field}.workingDir", container.working_dir)
    for name, words in (("command", container.command), ("args", container.args)):
        for index, word in enumerate(words):
            if "\0" in word:
                report.no_nul(f"{field}.{name}[{index}]", word)


def _check_lasting(container: container_pb2.Container, field: str, report: Report) -> None:
    """Check what is said of the container's end, its restarts and changes while it runs."""
    policy = container.termination_message_policy
    if policy not in _TERMINATION_POLICIES:
        report.one_of(f"{field}.terminationMessagePolicy", policy, _TERMINATION_POLICIES)
    if "\0" in container.termination_message_path:
        report.no_nul(f"{field}.terminationMessagePath", container.termination_message_path)
    if container.restart_policy:
        report.one_of(f"{field}.restartPolicy", container.restart_policy, RESTART_POLICIES)
    if container.restart_policy_rules:
        _check_restart_rules(container, f"{field}.restartPolicyRules", report)
    for index, resize in enumerate(container.resize_policy):
        path = f"{field}.resizePolicy[{index}]"
        report.one_of(f"{path}.resourceName", resize.resource_name, _RESIZED)
        report.one_of(f"{path}.restartPolicy", resize.restart_policy, _RESIZE_POLICIES)


def _check_restart_rules(container: container_pb2.Container, field: str, report: Report) -> None:
    rules = container.restart_policy_rules
    if not container.restart_policy:
        report.add(field, "must not be set without restartPolicy")
    if len(rules) > _RESTART_RULES_MAX:
        report.add(field, f"must be at most {_RESTART_RULES_MAX}, are {len(rules)}")
        return
    for index, rule in enumerate(rules):
        path, codes = f"{field}[{index}]", rule.exit_codes
        report.one_of(f"{path}.action", rule.action, _RESTART_ACTIONS)
        report.one_of(f"{path}.exitCodes.operator", codes.operator, ("In", "NotIn"))
        if not 1 <= len(codes.values) <= _EXIT_CODES_MAX:
            must = f"must be 1 to {_EXIT_CODES_MAX}, are {len(codes.values)}"
            report.add(f"{path}.exitCodes.values", must)


def _check_watched(
    container: container_pb2.Container, field: str, grace_s: int, report: Report
) -> None:
    if container.HasField("liveness_probe"):
        check_probe(container.liveness_probe, f"{field}.livenessProbe", report, readiness=False)
    if container.HasField("readiness_probe"):
        check_probe(container.readiness_probe, f"{field}.readinessProbe", report, readiness=True)
    if container.HasField("startup_probe"):
        check_probe(container.startup_probe, f"{field}.startupProbe", report, readiness=False)
    if container.HasField("lifecycle"):
        check_lifecycle(container.lifecycle, f"{field}.lifecycle", grace_s, report)


def _check_initial(container: container_pb2.Container, field: str, report: Report) -> None:
    """Check that a container which runs to its end has no fields for one that stays."""
    for name, is_set in (
        ("livenessProbe", container.HasField("liveness_probe")),
        ("readinessProbe", container.HasField("readiness_probe")),
        ("startupProbe", container.HasField("startup_probe")),
        ("lifecycle", container.HasField("lifecycle")),
    ):
        if is_set:
            report.add(f"{field}.{name}", "must not be set for init containers")


def _check_ports(container: container_pb2.Container, field: str, report: Report) -> None:
    seen_names: set[str] = set()
    seen: set[tuple[int, str, str]] = set()
    for index, port in enumerate(container.ports):
        path = f"{field}[{index}]"
        number, protocol, name = port.container_port, port.protocol, port.name
        if not number:
            report.required(f"{path}.containerPort")
        else:
            report.between(f"{path}.containerPort", number, 1, 65535)
        report.one_of(f"{path}.protocol", protocol, PROTOCOLS)
        if port.host_port:
            report.between(f"{path}.hostPort", port.host_port, 1, 65535)
        if port.host_ip and not is_ip(port.host_ip):
            report.add(f"{path}.hostIP", f"expected an IP address, got {shown(port.host_ip)}")
        if name:
            if (problem := names.port_name(name)) is not None:
                report.add(f"{path}.name", f"{shown(name)} {problem}")
            if name in seen_names:
                report.add(f"{path}.name", f"duplicate: another port is called {shown(name)}")
            seen_names.add(name)
        elif (number, protocol, name) in seen:
            report.add(f"{path}.containerPort", f"duplicate: {number}/{protocol} is listed already")
        seen.add((number, protocol, name))
