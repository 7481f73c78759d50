"""ControllerRevisions: states of workloads, which never change."""

from __future__ import annotations

import json
from typing import Final

from podraft.api.apps.v1.controller_revision_pb2 import ControllerRevision
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules


def _check(revision: ControllerRevision, report: Report) -> None:
    """Check a ControllerRevision."""
    report.at_least("revision", revision.revision, 0)
    if not revision.data.raw:
        report.required("data")
    elif not _is_object(revision.data.raw):
        report.add("data", "must be a JSON object")


def _is_object(raw: bytes) -> bool:
    if not raw.lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(raw), dict)
    except (ValueError, RecursionError):
        return False


def _check_change(stored: ControllerRevision, revision: ControllerRevision, report: Report) -> None:
    """Check that the state is still the one that was kept."""
    if stored.data != revision.data:
        report.add("data", "cannot be changed: make a new object")


RULES: Final[Rules[ControllerRevision]] = Rules(check=_check, check_change=_check_change)
