"""The names of drivers of volumes, which several kinds use."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.server.kinds.report import Report

_NAME_MAX: Final = 63


def driver_name(text: str) -> str | None:
    """Check the name of a driver of volumes: a domain name of at most 63 characters."""
    if len(text) > _NAME_MAX:
        return f"must be at most {_NAME_MAX} characters, is {len(text)}"
    return names.dns_subdomain(text.lower())


def check_driver_name(field: str, text: str, report: Report) -> None:
    """Check the field that names a driver of volumes."""
    report.name(field, text, driver_name(text))
