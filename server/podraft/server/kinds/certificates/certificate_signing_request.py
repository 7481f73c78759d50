"""CertificateSigningRequests: what is asked for never changes, and a decision is never undone."""

from __future__ import annotations

import binascii
import re
from typing import Final

from podraft.api import names
from podraft.api.certificates.v1.certificate_signing_request_pb2 import (
    CertificateSigningRequest,
    CertificateSigningRequestSpec,
)
from podraft.api.objects.conditions import FALSE, TRUE, UNKNOWN
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import check_time, check_words, has_at_most

_USAGES: Final = (
    "signing",
    "digital signature",
    "content commitment",
    "key encipherment",
    "key agreement",
    "data encipherment",
    "cert sign",
    "crl sign",
    "encipher only",
    "decipher only",
    "any",
    "server auth",
    "client auth",
    "code signing",
    "email protection",
    "s/mime",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "timestamping",
    "ocsp signing",
    "microsoft sgc",
    "netscape sgc",
)
_APPROVED, _DENIED, _FAILED = "Approved", "Denied", "Failed"
_DECISIONS: Final = (_APPROVED, _DENIED)
_FINAL: Final = (*_DECISIONS, _FAILED)
_SIGNER_MAX: Final = 571
_VALID_MIN_S: Final = 600
_CONDITIONS_MAX: Final = 64
_BLOCK: Final = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]{1,64})-----\s([A-Za-z0-9+/=\s]+)-----END ([A-Z0-9 ]{1,64})-----\s*"
)


def _check(request: CertificateSigningRequest, report: Report) -> None:
    """Check a request."""
    spec = request.spec
    if not spec.request:
        report.required("spec.request")
    elif (problem := _pem_problem(spec.request, "CERTIFICATE REQUEST", most=1)) is not None:
        report.add("spec.request", problem)
    if len(spec.signer_name) > _SIGNER_MAX:
        found = len(spec.signer_name)
        report.add("spec.signerName", f"must be at most {_SIGNER_MAX} characters, is {found}")
    else:
        report.name("spec.signerName", spec.signer_name, names.domain_path(spec.signer_name))
    if spec.HasField("expiration_seconds"):
        report.at_least("spec.expirationSeconds", spec.expiration_seconds, _VALID_MIN_S)
    _check_usages(spec, report)


def _check_usages(spec: CertificateSigningRequestSpec, report: Report) -> None:
    if not spec.usages:
        report.add("spec.usages", "must have at least one usage")
    for index, usage in enumerate(spec.usages):
        report.one_of(f"spec.usages[{index}]", usage, _USAGES)
        if usage in spec.usages[:index]:
            report.add(f"spec.usages[{index}]", f"duplicate: {shown(usage)} is listed already")


def _pem_problem(text: bytes, label: str, most: int = 64) -> str | None:
    """Return why bytes are not PEM blocks of one label; None if they are, and nothing else."""
    place, count = 0, 0
    while place < len(text):
        block = _BLOCK.match(text, place)
        if block is None or block.group(1) != block.group(3):
            return f"must be PEM, in blocks of the label {label}"
        if block.group(1).decode() != label:
            return f"must be PEM of the label {label}, is {block.group(1).decode()}"
        try:
            binascii.a2b_base64(b"".join(block.group(2).split()), strict_mode=True)
        except binascii.Error:
            return "must be PEM: what its block holds is not base64"
        place, count = block.end(), count + 1
    return None if 0 < count <= most else f"must be at most {most} blocks of PEM, are {count}"


def _check_change(
    stored: CertificateSigningRequest, request: CertificateSigningRequest, report: Report
) -> None:
    if stored.spec != request.spec:
        report.add("spec", "cannot be changed: make another request")


def _begin(request: CertificateSigningRequest) -> None:
    """Drop what only the server may say: who asks."""
    for field in ("username", "uid", "groups", "extra"):
        request.spec.ClearField(field)


def _check_status(request: CertificateSigningRequest, report: Report) -> None:
    """Check what became of a request."""
    status, field = request.status, "status.conditions"
    if status.certificate:
        problem = _pem_problem(status.certificate, "CERTIFICATE")
        if problem is not None:
            report.add("status.certificate", problem)
    if not has_at_most(_CONDITIONS_MAX, status.conditions, field, report):
        return
    seen: set[str] = set()
    for index, condition in enumerate(status.conditions):
        path = f"{field}[{index}]"
        report.name(f"{path}.type", condition.type, names.qualified(condition.type))
        if condition.type in seen:
            what = f"duplicate: {shown(condition.type)} is listed already"
            report.add(f"{path}.type", what)
        seen.add(condition.type)
        is_final = condition.type in _FINAL
        allowed = (TRUE,) if is_final else (TRUE, FALSE, UNKNOWN)
        report.one_of(f"{path}.status", condition.status, allowed)
        check_words(path, condition.reason, condition.message, report)
        check_time(condition.last_update_time, f"{path}.lastUpdateTime", report)
        check_time(condition.last_transition_time, f"{path}.lastTransitionTime", report)
    if seen.issuperset(_DECISIONS):
        report.add(field, f"must not have both {_APPROVED} and {_DENIED}")
    if status.certificate and _APPROVED not in seen:
        report.add("status.certificate", "must not be there before the request is approved")


def _check_status_change(
    stored: CertificateSigningRequest, request: CertificateSigningRequest, report: Report
) -> None:
    """Check that what was decided, and what was signed, stays."""
    kept = {condition.type for condition in request.status.conditions}
    for condition in stored.status.conditions:
        if condition.type in _FINAL and condition.type not in kept:
            report.add("status.conditions", f"must keep {condition.type}: it is never undone")
    before = stored.status.certificate
    if before and before != request.status.certificate:
        report.add("status.certificate", "cannot be changed once it is there")


RULES: Final[Rules[CertificateSigningRequest]] = Rules(
    check=_check,
    check_change=_check_change,
    check_status=_check_status,
    check_status_change=_check_status_change,
    begin=_begin,
)
