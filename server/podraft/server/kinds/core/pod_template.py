"""Pod templates: what pods look like, for others to copy; any restart policy is right."""

from __future__ import annotations

from typing import Final

from podraft.api.core.v1.pod_template_pb2 import PodTemplate
from podraft.server.kinds.core.pod.spec import check_spec, default_spec
from podraft.server.kinds.metadata import check_template_metadata
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules


def _default(template: PodTemplate) -> None:
    """Fill in the fields that a template leaves out."""
    default_spec(template.template.spec)


def _check(template: PodTemplate, report: Report) -> None:
    """Check a template."""
    check_template_metadata(template.template.metadata, "template.metadata", report)
    check_spec(template.template.spec, "template.spec", report)


RULES: Final[Rules[PodTemplate]] = Rules(default=_default, check=_check)
