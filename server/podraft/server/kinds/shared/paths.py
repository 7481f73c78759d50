"""Files inside of a volume: their paths, modes, and the keys that they show.

Invariant: a path that passes stays below its volume's root.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from podraft.api.core.v1 import reference_pb2
from podraft.api.violations import shown
from podraft.server.kinds.report import Report

DEFAULT_MODE: Final = 0o644


def check_inner_path(value: str, field: str, report: Report) -> None:
    """Check a path that must stay below its volume's root."""
    report.no_nul(field, value)
    if value.startswith("/"):
        report.add(field, f"must be relative, is {shown(value)}")
    elif ".." in value.split("/"):
        report.add(field, f"must not contain '..', is {shown(value)}")


def check_needed_path(value: str, field: str, report: Report) -> None:
    """Check a path that must be there, and stay below its volume's root."""
    if value:
        check_inner_path(value, field, report)
    else:
        report.required(field)


def check_mode(mode: int, field: str, report: Report) -> None:
    """Check the permission bits of a file."""
    if not 0 <= mode <= 0o777:
        report.add(field, f"must be 0 to 0777 (decimal 511), is decimal {mode}")


def check_items(items: Iterable[reference_pb2.KeyToPath], field: str, report: Report) -> None:
    """Check which keys become which files."""
    for index, item in enumerate(items):
        path = f"{field}[{index}]"
        if not item.key:
            report.required(f"{path}.key")
        check_needed_path(item.path, f"{path}.path", report)
        if item.HasField("mode"):
            check_mode(item.mode, f"{path}.mode", report)
