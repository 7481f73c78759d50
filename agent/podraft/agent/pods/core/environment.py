"""A container's environment and command line, as Kubernetes composes them.

Owns: the order (services, envFrom, env) and references to ConfigMaps, Secrets and
the pod's own fields.

Invariant: a missing object or key that is not optional is an error that names it, and so is a
key that cannot be a variable's name: nothing is left out silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.podman.core.expansion import ProcessStrings, expand
from podraft.api import names
from podraft.api.core.v1 import config_pb2, container_pb2, pod_pb2, service_pb2
from podraft.api.objects.ports import protocol_of
from podraft.api.objects.references import Reference
from podraft.api.violations import shown

_DEFAULT_SERVICE_ACCOUNT = "default"
_MAP_FIELD = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything that a pod's environment may refer to."""

    pod: pod_pb2.Pod
    address: str
    node_ip: str
    config_maps: Mapping[str, config_pb2.ConfigMap] = field(default_factory=dict)
    secrets: Mapping[str, config_pb2.Secret] = field(default_factory=dict)
    services: Sequence[service_pb2.Service] = ()


def environment(container: container_pb2.Container, around: Surroundings) -> dict[str, str]:
    """Return all variables of a container; later sources override earlier ones.

    Raises:
        ConfigurationError: A reference leads nowhere, or the environment is too large.
    """
    variables: dict[str, str] = {}
    strings = ProcessStrings()

    def add(name: str, value: str) -> None:
        strings.add(f"{name}={value}", f"environment variable {shown(name)}")
        variables[name] = value

    spec = around.pod.spec
    if not spec.HasField("enable_service_links") or spec.enable_service_links:
        for name, value in service_variables(around.services).items():
            add(name, value)
    for source in container.env_from:
        for name, value in _from_source(source, around):
            add(name, value)
    for variable in container.env:
        if variable.HasField("value_from"):
            found = _value_from(variable.value_from, around)
            if found is not None:
                add(variable.name, found)
        else:
            what = f"environment variable {shown(variable.name)}"
            add(variable.name, expand(variable.value, variables, what))
    return variables


def service_variables(services: Iterable[service_pb2.Service]) -> dict[str, str]:
    """Return ``WEB_SERVICE_HOST`` and the like for the services of a pod's namespace."""
    variables: dict[str, str] = {}
    for service in services:
        if service.spec.cluster_ip not in ("", "None"):
            variables.update(_service(service))
    return variables


def _service(service: service_pb2.Service) -> Iterator[tuple[str, str]]:
    prefix = _variable_name(service.metadata.name)
    address, ports = service.spec.cluster_ip, service.spec.ports
    yield f"{prefix}_SERVICE_HOST", address
    for index, port in enumerate(ports):
        protocol = protocol_of(port)
        url = f"{protocol.lower()}://{address}:{port.port}"
        if index == 0:
            yield f"{prefix}_SERVICE_PORT", str(port.port)
            yield f"{prefix}_PORT", url
        if port.name:
            yield f"{prefix}_SERVICE_PORT_{_variable_name(port.name)}", str(port.port)
        port_prefix = f"{prefix}_PORT_{port.port}_{protocol.upper()}"
        yield port_prefix, url
        yield f"{port_prefix}_PROTO", protocol.lower()
        yield f"{port_prefix}_PORT", str(port.port)
        yield f"{port_prefix}_ADDR", address


def _variable_name(name: str) -> str:
    return name.upper().replace("-", "_")


def _from_source(
    source: container_pb2.EnvFromSource, around: Surroundings
) -> Iterator[tuple[str, str]]:
    data: Mapping[str, str] | None = None
    if source.HasField("config_map_ref"):
        ref = source.config_map_ref
        found = around.config_maps.get(ref.local_object_reference.name)
        data = None if found is None else found.data
        wanted = Reference("ConfigMap", ref.local_object_reference.name)
        optional = ref.optional
    else:
        secret_ref = source.secret_ref
        wanted = Reference("Secret", secret_ref.local_object_reference.name)
        secret = around.secrets.get(wanted.name)
        data = None if secret is None else _decoded(secret)
        optional = secret_ref.optional
    if data is None:
        if not optional:
            raise _missing(wanted)
        return
    for key in sorted(data):
        name = source.prefix + key
        if (problem := names.environment_variable(name)) is not None:
            raise ConfigurationError(
                f"key {shown(key)} of {wanted.kind} {shown(wanted.name)} cannot be a variable: "
                f"{shown(name)} {problem}"
            )
        yield name, data[key]


def _value_from(source: container_pb2.EnvVarSource, around: Surroundings) -> str | None:
    if source.HasField("field_ref"):
        return _field(source.field_ref.field_path, around)
    if source.HasField("config_map_key_ref"):
        ref = source.config_map_key_ref
        wanted = Reference("ConfigMap", ref.local_object_reference.name)
        found = around.config_maps.get(wanted.name)
        data: Mapping[str, str] | None = None if found is None else found.data
        return _key(data, ref.key, wanted, optional=ref.optional)
    if source.HasField("secret_key_ref"):
        secret_ref = source.secret_key_ref
        wanted = Reference("Secret", secret_ref.local_object_reference.name)
        secret = around.secrets.get(wanted.name)
        data = None if secret is None else _decoded(secret)
        return _key(data, secret_ref.key, wanted, optional=secret_ref.optional)
    raise ConfigurationError("an environment variable's valueFrom names no source")


def _key(
    data: Mapping[str, str] | None, key: str, wanted: Reference, *, optional: bool
) -> str | None:
    if data is not None and key in data:
        return data[key]
    if optional:
        return None
    if data is None:
        raise _missing(wanted)
    raise ConfigurationError(f'couldn\'t find key "{key}" in {wanted.kind} "{wanted.name}"')


def _missing(wanted: Reference) -> ConfigurationError:
    return ConfigurationError(f'{wanted.kind} "{wanted.name}" not found')


def _decoded(secret: config_pb2.Secret) -> dict[str, str]:
    # Bytes that are not UTF-8 stay recognisable, and are refused where they are used.
    return {key: value.decode("utf-8", "surrogateescape") for key, value in secret.data.items()}


def _field(path: str, around: Surroundings) -> str:
    metadata, spec = around.pod.metadata, around.pod.spec
    match = _MAP_FIELD.fullmatch(path)
    if match:
        values = metadata.labels if match.group(1) == "labels" else metadata.annotations
        return values.get(match.group(2), "")
    match path:
        case "metadata.name":
            return metadata.name
        case "metadata.namespace":
            return metadata.namespace
        case "metadata.uid":
            return metadata.uid
        case "spec.nodeName":
            return spec.node_name
        case "spec.serviceAccountName":
            return spec.service_account_name or _DEFAULT_SERVICE_ACCOUNT
        case "status.podIP" | "status.podIPs":
            return around.address
        case "status.hostIP" | "status.hostIPs":
            return around.node_ip
    raise ConfigurationError(f'fieldRef "{path}" is not supported')
