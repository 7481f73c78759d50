"""The data of ConfigMaps and Secrets: their keys, their size and their immutability."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from podraft.api import names
from podraft.api.core.v1.config_pb2 import ConfigMap, Secret
from podraft.api.violations import shown
from podraft.server.kinds.report import Report

Config: TypeAlias = ConfigMap | Secret

DATA_BYTES_MAX: Final = 1024 * 1024


def check_keys(keys: Iterable[str], field: str, report: Report) -> None:
    """Check that each key can be the name of a file."""
    for key in keys:
        if (problem := names.data_key(key)) is not None:
            report.add(field, f"key {shown(key)} {problem}")


def check_size(size: int, field: str, report: Report) -> None:
    """Check that all values together are not too large, in bytes."""
    if size > DATA_BYTES_MAX:
        report.add(field, f"must be at most {DATA_BYTES_MAX} bytes in sum, is {size}")


def check_immutable(
    stored: Config, proposed: Config, changed: Mapping[str, bool], report: Report
) -> None:
    """Check that an immutable object stays so; ``changed`` says which fields would differ."""
    if not stored.immutable:
        return
    if not proposed.immutable:
        report.add("immutable", "cannot be taken back: delete the object and create it anew")
    for field, is_changed in changed.items():
        if is_changed:
            report.add(field, "cannot be changed: the object is immutable")
