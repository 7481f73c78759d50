"""ConfigMaps and Secrets: keys, sizes, known types, and immutability."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from podraft.api import names
from podraft.api.core.v1 import config_pb2
from podraft.api.violations import shown
from podraft.server.kinds.report import Report

Config: TypeAlias = config_pb2.ConfigMap | config_pb2.Secret

MAX_DATA_BYTES = 1024 * 1024
DEFAULT_TYPE = "Opaque"

# Which keys a Secret of a known type must have: all of them, or one of them.
_REQUIRED_KEYS: dict[str, tuple[str, ...]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
}
_BASIC_AUTH = "kubernetes.io/basic-auth"
_JSON_KEYS = (".dockerconfigjson", ".dockercfg")


def default_config_map(config_map: config_pb2.ConfigMap) -> None:
    """Do nothing: a ConfigMap has no defaults."""


def check_config_map(config_map: config_pb2.ConfigMap, report: Report) -> None:
    """Check a ConfigMap."""
    _check_keys(config_map.data, "data", report)
    if config_map.binary_data:
        _check_keys(config_map.binary_data, "binaryData", report)
        for key in sorted(set(config_map.data).intersection(config_map.binary_data)):
            report.add(f"binaryData[{key}]", "duplicate: data has this key, too")
    text_size = sum(
        len(text) if text.isascii() else len(text.encode()) for text in config_map.data.values()
    )
    _check_size(text_size + sum(map(len, config_map.binary_data.values())), "data", report)


def default_secret(secret: config_pb2.Secret) -> None:
    """Fold ``stringData`` into ``data``; it is a way of writing, never of reading."""
    if not secret.type:
        secret.type = DEFAULT_TYPE
    for key, text in secret.string_data.items():
        secret.data[key] = text.encode()
    secret.ClearField("string_data")


def check_secret(secret: config_pb2.Secret, report: Report) -> None:
    """Check a Secret."""
    _check_keys(secret.data, "data", report)
    _check_size(sum(map(len, secret.data.values())), "data", report)
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


def _check_keys(keys: Iterable[str], field: str, report: Report) -> None:
    for key in keys:
        if (problem := names.data_key(key)) is not None:
            report.add(field, f"key {shown(key)} {problem}")


def _check_size(size: int, field: str, report: Report) -> None:
    if size > MAX_DATA_BYTES:
        report.add(field, f"must be at most {MAX_DATA_BYTES} bytes in sum, is {size}")


def check_config_map_change(
    stored: config_pb2.ConfigMap, config_map: config_pb2.ConfigMap, report: Report
) -> None:
    """Check that an immutable ConfigMap stays as it is."""
    _check_immutable(
        stored,
        config_map,
        {
            "data": stored.data != config_map.data,
            "binaryData": stored.binary_data != config_map.binary_data,
        },
        report,
    )


def check_secret_change(
    stored: config_pb2.Secret, secret: config_pb2.Secret, report: Report
) -> None:
    """Check that the type stays, and that an immutable Secret stays as it is."""
    if stored.type != secret.type:
        report.add("type", f"cannot be changed: it is {stored.type}")
    _check_immutable(stored, secret, {"data": stored.data != secret.data}, report)


def _check_immutable(
    stored: Config, proposed: Config, changed: Mapping[str, bool], report: Report
) -> None:
    if not stored.immutable:
        return
    if not proposed.immutable:
        report.add("immutable", "cannot be taken back: delete the object and create it anew")
    for field, is_changed in changed.items():
        if is_changed:
            report.add(field, "cannot be changed: the object is immutable")
