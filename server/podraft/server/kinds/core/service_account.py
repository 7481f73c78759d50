"""Service accounts: identities of programs; roles are bound to their names."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.core.v1.service_account_pb2 import ServiceAccount
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules


def _check(account: ServiceAccount, report: Report) -> None:
    """Check that what an account refers to can exist."""
    for field, found in (
        ("secrets", [reference.name for reference in account.secrets]),
        ("imagePullSecrets", [reference.name for reference in account.image_pull_secrets]),
    ):
        for index, name in enumerate(found):
            if name and (problem := names.dns_subdomain(name)) is not None:
                report.add(f"{field}[{index}].name", f"{shown(name)} {problem}")


RULES: Final[Rules[ServiceAccount]] = Rules(check=_check)
