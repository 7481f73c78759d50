"""Secrets: known types, keys, sizes and immutability; and what history may show of them.

Owns: the places of the values in a Secret, and when two states of it hold the same.
"""

from __future__ import annotations

import json
from typing import Final

from podraft.api.core.v1.config_pb2 import Secret
from podraft.api.objects.well_known import KUBECTL_LAST_APPLIED
from podraft.server.kinds.hooks import Hashed, Secrecy
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.data import check_immutable, check_keys, check_size

DEFAULT_TYPE: Final = "Opaque"

# The keys that a Secret of a known type must have: all of them, or one of them.
_REQUIRED_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
}
_BASIC_AUTH: Final = "kubernetes.io/basic-auth"
_JSON_KEYS: Final = (".dockerconfigjson", ".dockercfg")


def _default(secret: Secret) -> None:
    """Fill in the type of a Secret."""
    if not secret.type:
        secret.type = DEFAULT_TYPE


def _fold(secret: Secret) -> None:
    """Fold ``stringData`` into ``data``; it is for writing only, never for reading."""
    for key, text in secret.string_data.items():
        secret.data[key] = text.encode()
    secret.ClearField("string_data")


def _check(secret: Secret, report: Report) -> None:
    """Check a Secret."""
    check_keys(secret.data, "data", report)
    check_size(sum(map(len, secret.data.values())), "data", report)
    for key in _REQUIRED_KEYS.get(secret.type, ()):
        if key not in secret.data:
            report.add(f"data[{key}]", f"is required for type {secret.type}")
        elif key in _JSON_KEYS:
            _check_json(secret.data[key], f"data[{key}]", report)
    if secret.type == _BASIC_AUTH and not {"username", "password"}.intersection(secret.data):
        report.add("data", f"username or password is required for type {_BASIC_AUTH}")


def _check_json(data: bytes, field: str, report: Report) -> None:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        report.add(field, "must be JSON")


def _check_change(stored: Secret, secret: Secret, report: Report) -> None:
    """Check that the type stays, and that an immutable Secret stays as it is."""
    if stored.type != secret.type:
        report.add("type", f"cannot be changed: it is {stored.type}")
    check_immutable(stored, secret, {"data": stored.data != secret.data}, report)


def _hidden(secret: Secret, hashed: Hashed) -> Secret:
    """Return a copy that shows a hash in place of each value."""
    copy = Secret()
    copy.CopyFrom(secret)
    for key, value in secret.data.items():
        copy.data[key] = hashed(key, value)
    copy.ClearField("string_data")
    annotations = copy.metadata.annotations
    # The annotation of ``kubectl apply`` also holds the values.
    if KUBECTL_LAST_APPLIED in annotations:
        applied = annotations[KUBECTL_LAST_APPLIED].encode()
        annotations[KUBECTL_LAST_APPLIED] = hashed(KUBECTL_LAST_APPLIED, applied).decode()
    return copy


def _is_current(past: Secret, present: Secret | None) -> bool:
    """Return whether a past state holds no value that the present one does not hold."""
    if present is None:
        return not past.data and KUBECTL_LAST_APPLIED not in past.metadata.annotations
    if any(present.data.get(key) != value for key, value in past.data.items()):
        return False
    applied = past.metadata.annotations.get(KUBECTL_LAST_APPLIED)
    return applied is None or applied == present.metadata.annotations.get(KUBECTL_LAST_APPLIED)


RULES: Final[Rules[Secret]] = Rules(
    fold=_fold,
    default=_default,
    check=_check,
    check_change=_check_change,
    secrecy=Secrecy(_hidden, _is_current),
)
