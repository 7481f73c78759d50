"""Environment variables of a container, and where their values come from.

Owns: their rules, and those of references to fields and resources of a pod.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from podraft.api import names
from podraft.api.core.v1 import container_pb2, reference_pb2
from podraft.api.violations import shown
from podraft.server.kinds.report import Report, check_exactly_one, check_quantity
from podraft.server.kinds.shared.paths import check_needed_path

_OWN_PATHS: Final = frozenset(("metadata.name", "metadata.namespace", "metadata.uid"))
_FIELD_PATHS: Final = _OWN_PATHS | {
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
}
# In files, all labels can be had at once; what is only known on the node cannot.
_FILE_PATHS: Final = _OWN_PATHS | {"metadata.labels", "metadata.annotations"}
_SUBSCRIPTED: Final = re.compile(r"metadata\.(?:labels|annotations)\['([^']+)'\]")
_RESOURCES: Final = frozenset(
    f"{kind}.{name}"
    for kind in ("limits", "requests")
    for name in ("cpu", "memory", "ephemeral-storage")
)
_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def default_variable(variable: container_pb2.EnvVar) -> None:
    """Fill in what a variable's source leaves out."""
    if not variable.HasField("value_from"):
        return
    source = variable.value_from
    if source.HasField("field_ref") and not source.field_ref.api_version:
        source.field_ref.api_version = "v1"
    if source.HasField("file_key_ref") and not source.file_key_ref.HasField("optional"):
        source.file_key_ref.optional = False


def check_variable(variable: container_pb2.EnvVar, field: str, report: Report) -> None:
    """Check one variable."""
    name = variable.name
    report.name(f"{field}.name", name, names.environment_variable(name))
    report.no_nul(f"{field}.value", variable.value)
    if not variable.HasField("value_from"):
        return
    path = f"{field}.valueFrom"
    if variable.value:
        report.add(path, "must not be set when value is")
    _check_source(variable.value_from, path, report)


def _check_source(source: container_pb2.EnvVarSource, path: str, report: Report) -> None:
    chosen = []
    if source.HasField("field_ref"):
        chosen.append("fieldRef")
        check_field_path(source.field_ref, f"{path}.fieldRef", report)
    if source.HasField("resource_field_ref"):
        chosen.append("resourceFieldRef")
        check_resource_field(source.resource_field_ref, f"{path}.resourceFieldRef", report)
    if source.HasField("config_map_key_ref"):
        chosen.append("configMapKeyRef")
        reference = source.config_map_key_ref
        name = reference.local_object_reference.name
        _check_key_reference(name, reference.key, f"{path}.configMapKeyRef", report)
    if source.HasField("secret_key_ref"):
        chosen.append("secretKeyRef")
        secret = source.secret_key_ref
        name = secret.local_object_reference.name
        _check_key_reference(name, secret.key, f"{path}.secretKeyRef", report)
    if source.HasField("file_key_ref"):
        chosen.append("fileKeyRef")
        _check_file_key(source.file_key_ref, f"{path}.fileKeyRef", report)
    check_exactly_one(chosen, _SOURCES, path, report)


def _check_key_reference(name: str, key: str, field: str, report: Report) -> None:
    report.name(f"{field}.name", name, names.dns_subdomain(name))
    report.name(f"{field}.key", key, names.data_key(key))


def _check_file_key(reference: container_pb2.FileKeySelector, field: str, report: Report) -> None:
    volume, key = reference.volume_name, reference.key
    report.name(f"{field}.volumeName", volume, names.dns_label(volume))
    report.name(f"{field}.key", key, names.environment_variable(key))
    check_needed_path(reference.path, f"{field}.path", report)


def check_field_path(
    reference: reference_pb2.ObjectFieldSelector,
    field: str,
    report: Report,
    *,
    in_file: bool = False,
) -> None:
    """Check which field of the pod is meant; ``in_file``: its value becomes a file."""
    path, paths = reference.field_path, _FILE_PATHS if in_file else _FIELD_PATHS
    if not path:
        report.required(f"{field}.fieldPath")
    elif path not in paths:
        match = _SUBSCRIPTED.fullmatch(path)
        if match is None or names.qualified(match[1]) is not None:
            _report_path(path, paths, field, report)
    if reference.api_version != "v1":
        report.add(f"{field}.apiVersion", f'expected "v1", got {shown(reference.api_version)}')


def _report_path(path: str, paths: Collection[str], field: str, report: Report) -> None:
    known = ", ".join((*sorted(paths), "metadata.labels['key']"))
    report.add(f"{field}.fieldPath", f"expected one of {known}, got {shown(path)}")


def check_resource_field(
    reference: reference_pb2.ResourceFieldSelector,
    field: str,
    report: Report,
    *,
    in_file: bool = False,
) -> None:
    """Check which request or limit is meant; ``in_file``: of which container must be said."""
    if in_file and not reference.container_name:
        report.required(f"{field}.containerName")
    resource = reference.resource
    huge = resource.partition(".")[2].startswith("hugepages-")
    if not resource:
        report.required(f"{field}.resource")
    elif resource not in _RESOURCES and not huge:
        known = ", ".join(sorted(_RESOURCES))
        report.add(f"{field}.resource", f"expected one of {known}, got {shown(resource)}")
    if reference.HasField("divisor"):
        check_quantity(reference.divisor, f"{field}.divisor", report)


def check_env_from(source: container_pb2.EnvFromSource, field: str, report: Report) -> None:
    """Check an object all of whose keys become variables."""
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
