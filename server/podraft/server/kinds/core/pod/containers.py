"""Containers of a pod: their defaults and their rules.

Owns: names, images and pull policy, ports, environment and security of a
container.  Probes, resources and volumes have modules of their own.
"""

from __future__ import annotations

import re

from podraft.api import names
from podraft.api.core.v1 import container_pb2
from podraft.api.objects.images import PULL_POLICIES, implied_pull_policy
from podraft.api.objects.ports import PROTOCOLS, TCP
from podraft.api.violations import shown
from podraft.server.kinds.core.pod.probes import (
    check_exactly_one,
    check_lifecycle,
    check_probe,
    default_http_get,
    default_probe,
)
from podraft.server.kinds.core.pod.resources import check_resources, derive_requests
from podraft.server.kinds.core.pod.volumes import check_mounts
from podraft.server.kinds.report import Report

_IMAGE = re.compile(r"[\x21-\x7e]+")
_FIELD_PATHS = frozenset(
    (
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    )
)
_SUBSCRIPTED = re.compile(r"metadata\.(?:labels|annotations)\['([^']+)'\]")
ID_MAX = 2**31 - 1


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
    for variable in container.env:
        if variable.HasField("value_from") and variable.value_from.HasField("field_ref"):
            reference = variable.value_from.field_ref
            if not reference.api_version:
                reference.api_version = "v1"
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
    volumes: set[str],
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
        _check_variable(variable, f"{field}.env[{index}]", report)
    for index, source in enumerate(container.env_from):
        _check_env_from(source, f"{field}.envFrom[{index}]", report)
    if container.HasField("resources"):
        check_resources(container.resources, f"{field}.resources", report)
    if container.volume_mounts:
        check_mounts(container.volume_mounts, volumes, f"{field}.volumeMounts", report)
    if container.HasField("security_context"):
        _check_security(container.security_context, f"{field}.securityContext", report)
    if initial:
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
        if name:
            if (problem := names.port_name(name)) is not None:
                report.add(f"{path}.name", f"{shown(name)} {problem}")
            if name in seen_names:
                report.add(f"{path}.name", f"duplicate: another port is called {shown(name)}")
            seen_names.add(name)
        elif (number, protocol, name) in seen:
            report.add(f"{path}.containerPort", f"duplicate: {number}/{protocol} is listed already")
        seen.add((number, protocol, name))


def _check_variable(variable: container_pb2.EnvVar, field: str, report: Report) -> None:
    name = variable.name
    report.name(f"{field}.name", name, names.environment_variable(name))
    report.no_nul(f"{field}.value", variable.value)
    if not variable.HasField("value_from"):
        return
    path = f"{field}.valueFrom"
    if variable.value:
        report.add(path, "must not be set when value is")
    source = variable.value_from
    chosen = []
    if source.HasField("field_ref"):
        chosen.append("fieldRef")
        _check_field_path(source.field_ref, f"{path}.fieldRef", report)
    if source.HasField("config_map_key_ref"):
        chosen.append("configMapKeyRef")
        reference = source.config_map_key_ref
        _check_key_reference(
            reference.local_object_reference.name,
            reference.key,
            f"{path}.configMapKeyRef",
            report,
        )
    if source.HasField("secret_key_ref"):
        chosen.append("secretKeyRef")
        secret = source.secret_key_ref
        _check_key_reference(
            secret.local_object_reference.name, secret.key, f"{path}.secretKeyRef", report
        )
    check_exactly_one(chosen, ("fieldRef", "configMapKeyRef", "secretKeyRef"), path, report)


def _check_key_reference(name: str, key: str, field: str, report: Report) -> None:
    report.name(f"{field}.name", name, names.dns_subdomain(name))
    report.name(f"{field}.key", key, names.data_key(key))


def _check_field_path(
    reference: container_pb2.ObjectFieldSelector, field: str, report: Report
) -> None:
    path = reference.field_path
    if not path:
        report.required(f"{field}.fieldPath")
    elif path not in _FIELD_PATHS:
        match = _SUBSCRIPTED.fullmatch(path)
        if match is None or names.qualified(match[1]) is not None:
            known = ", ".join((*sorted(_FIELD_PATHS), "metadata.labels['key']"))
            report.add(f"{field}.fieldPath", f"expected one of {known}, got {shown(path)}")
    if reference.api_version != "v1":
        report.add(f"{field}.apiVersion", f'expected "v1", got {shown(reference.api_version)}')


def _check_env_from(source: container_pb2.EnvFromSource, field: str, report: Report) -> None:
    if source.prefix and (problem := names.environment_variable(source.prefix)) is not None:
        report.add(f"{field}.prefix", f"{shown(source.prefix)} {problem}")
    chosen = []
    if source.HasField("config_map_ref"):
        chosen.append("configMapRef")
        name = source.config_map_ref.local_object_reference.name
        report.name(f"{field}.configMapRef.name", name, names.dns_subdomain(name))
    if source.HasField("secret_ref"):
        chosen.append("secretRef")
        name = source.secret_ref.local_object_reference.name
        report.name(f"{field}.secretRef.name", name, names.dns_subdomain(name))
    check_exactly_one(chosen, ("configMapRef", "secretRef"), field, report)


def _check_security(context: container_pb2.SecurityContext, field: str, report: Report) -> None:
    report.between(f"{field}.runAsUser", context.run_as_user, 0, ID_MAX)
    report.between(f"{field}.runAsGroup", context.run_as_group, 0, ID_MAX)
    forbidden = context.HasField("allow_privilege_escalation") and (
        not context.allow_privilege_escalation
    )
    if context.privileged and forbidden:
        report.add(f"{field}.allowPrivilegeEscalation", "must not be false when privileged is true")
