"""Volumes of several sources, and fields of a pod as files: their defaults and their rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from podraft.api import names
from podraft.api.core.v1.projected_volume_pb2 import (
    ClusterTrustBundleProjection,
    DownwardAPIVolumeFile,
    PodCertificateProjection,
    ProjectedVolumeSource,
    ServiceAccountTokenProjection,
    VolumeProjection,
)
from podraft.api.selectors.labels import check_label_selector
from podraft.server.kinds.core.pod.environment import check_field_path, check_resource_field
from podraft.server.kinds.report import Report, check_exactly_one
from podraft.server.kinds.shared.paths import (
    DEFAULT_MODE,
    check_inner_path,
    check_items,
    check_mode,
    check_needed_path,
)

_DEFAULT_EXPIRATION_S: Final = 3600
_EXPIRATION_S_MIN: Final = 600
_EXPIRATION_S_MAX: Final = 2**32
_CERTIFICATE_S: Final = (3600, 91 * 86_400)
_DEFAULT_CERTIFICATE_S: Final = 86_400
_KEY_TYPES: Final = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
_SOURCES: Final = (
    "secret",
    "downwardAPI",
    "configMap",
    "serviceAccountToken",
    "clusterTrustBundle",
    "podCertificate",
)


def default_projected(source: ProjectedVolumeSource) -> None:
    """Fill in what a projected volume leaves out."""
    if not source.HasField("default_mode"):
        source.default_mode = DEFAULT_MODE
    for projection in source.sources:
        if projection.HasField("downward_api"):
            default_files(projection.downward_api.items)
        if projection.HasField("service_account_token"):
            token = projection.service_account_token
            if not token.HasField("expiration_seconds"):
                token.expiration_seconds = _DEFAULT_EXPIRATION_S
        if projection.HasField("pod_certificate"):
            certificate = projection.pod_certificate
            if not certificate.HasField("max_expiration_seconds"):
                certificate.max_expiration_seconds = _DEFAULT_CERTIFICATE_S


def default_files(files: Iterable[DownwardAPIVolumeFile]) -> None:
    """Fill in what the files of a downward API leave out."""
    for file in files:
        if file.HasField("field_ref") and not file.field_ref.api_version:
            file.field_ref.api_version = "v1"


def check_projected(source: ProjectedVolumeSource, field: str, report: Report) -> None:
    """Check a projected volume."""
    check_mode(source.default_mode, f"{field}.defaultMode", report)
    for index, projection in enumerate(source.sources):
        _check_projection(projection, f"{field}.sources[{index}]", report)


def check_files(files: Iterable[DownwardAPIVolumeFile], field: str, report: Report) -> None:
    """Check the files of a downward API."""
    for index, file in enumerate(files):
        path = f"{field}[{index}]"
        check_needed_path(file.path, f"{path}.path", report)
        chosen = []
        if file.HasField("field_ref"):
            chosen.append("fieldRef")
            check_field_path(file.field_ref, f"{path}.fieldRef", report, in_file=True)
        if file.HasField("resource_field_ref"):
            chosen.append("resourceFieldRef")
            reference, where = file.resource_field_ref, f"{path}.resourceFieldRef"
            check_resource_field(reference, where, report, in_file=True)
        check_exactly_one(chosen, ("fieldRef", "resourceFieldRef"), path, report)
        if file.HasField("mode"):
            check_mode(file.mode, f"{path}.mode", report)


def _check_projection(projection: VolumeProjection, field: str, report: Report) -> None:
    chosen = [described.json_name for described, _ in projection.ListFields()]
    check_exactly_one(chosen, _SOURCES, field, report)
    if projection.HasField("secret"):
        _check_keys(projection.secret, f"{field}.secret", report)
    if projection.HasField("config_map"):
        _check_keys(projection.config_map, f"{field}.configMap", report)
    if projection.HasField("downward_api"):
        check_files(projection.downward_api.items, f"{field}.downwardAPI.items", report)
    if projection.HasField("service_account_token"):
        token = projection.service_account_token
        _check_token(token, f"{field}.serviceAccountToken", report)
    if projection.HasField("cluster_trust_bundle"):
        bundle = projection.cluster_trust_bundle
        _check_bundle(bundle, f"{field}.clusterTrustBundle", report)
    if projection.HasField("pod_certificate"):
        _check_certificate(projection.pod_certificate, f"{field}.podCertificate", report)


def _check_keys(source: Any, field: str, report: Report) -> None:
    """Check the keys that are shown of a ConfigMap or Secret."""
    name = source.local_object_reference.name
    report.name(f"{field}.name", name, names.dns_subdomain(name))
    check_items(source.items, f"{field}.items", report)


def _check_token(token: ServiceAccountTokenProjection, field: str, report: Report) -> None:
    seconds = token.expiration_seconds
    path = f"{field}.expirationSeconds"
    report.between(path, seconds, _EXPIRATION_S_MIN, _EXPIRATION_S_MAX)
    check_needed_path(token.path, f"{field}.path", report)


def _check_bundle(bundle: ClusterTrustBundleProjection, field: str, report: Report) -> None:
    named, signed = bundle.HasField("name"), bundle.HasField("signer_name")
    chosen = [word for word, is_set in (("name", named), ("signerName", signed)) if is_set]
    check_exactly_one(chosen, ("name", "signerName"), field, report)
    if bundle.HasField("label_selector"):
        check_label_selector(bundle.label_selector, f"{field}.labelSelector", report)
        if named:
            report.add(f"{field}.labelSelector", "must not be set with name")
    check_needed_path(bundle.path, f"{field}.path", report)


def _check_certificate(certificate: PodCertificateProjection, field: str, report: Report) -> None:
    if not certificate.signer_name:
        report.required(f"{field}.signerName")
    report.one_of(f"{field}.keyType", certificate.key_type, _KEY_TYPES)
    seconds = certificate.max_expiration_seconds
    report.between(f"{field}.maxExpirationSeconds", seconds, *_CERTIFICATE_S)
    paths = (
        ("credentialBundlePath", certificate.credential_bundle_path),
        ("keyPath", certificate.key_path),
        ("certificateChainPath", certificate.certificate_chain_path),
    )
    if not any(path for _, path in paths):
        report.add(field, "must have credentialBundlePath, keyPath or certificateChainPath")
    for name, path in paths:
        if path:
            check_inner_path(path, f"{field}.{name}", report)
