"""The tables of the groups ``coordination.k8s.io`` and ``certificates.k8s.io``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podraft.api import kinds
from podraft.api.certificates.v1 import certificate_signing_request_pb2
from podraft.api.columns import ages
from podraft.api.columns.column import AGE, NAME, NONE, Column, Table

_DECISIONS: Final = ("Approved", "Denied")


def _duration(
    request: certificate_signing_request_pb2.CertificateSigningRequest, now_s: float
) -> str:
    if not request.spec.HasField("expiration_seconds"):
        return NONE
    return ages.human_duration(request.spec.expiration_seconds)


def _state(request: certificate_signing_request_pb2.CertificateSigningRequest, now_s: float) -> str:
    said = {condition.type for condition in request.status.conditions}
    words: list[str] = [word for word in _DECISIONS if word in said] or ["Pending"]
    words += ["Failed"] if "Failed" in said else []
    words += ["Issued"] if request.status.certificate else []
    return ",".join(words)


_LEASE = (NAME, Column("HOLDER", lambda lease, now_s: lease.spec.holder_identity), AGE)
_SIGNING_REQUEST = (
    NAME,
    AGE,
    Column("SIGNERNAME", lambda request, now_s: request.spec.signer_name),
    Column("REQUESTOR", lambda request, now_s: request.spec.username),
    Column("REQUESTEDDURATION", _duration),
    Column("CONDITION", _state, is_status=True),
)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.LEASE: Table(_LEASE),
    kinds.CERTIFICATE_SIGNING_REQUEST: Table(_SIGNING_REQUEST),
}
