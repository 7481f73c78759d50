"""Pod templates: the form of the pods that a controller keeps running."""

from __future__ import annotations

from podraft.api.core.v1 import pod_pb2
from podraft.api.objects.pods import RESTART_NEVER, RESTART_ON_FAILURE
from podraft.api.violations import shown
from podraft.server.kinds.core.pod.spec import check_spec
from podraft.server.kinds.metadata import check_template_metadata
from podraft.server.kinds.report import Report


def check_template(template: pod_pb2.PodTemplateSpec, field: str, report: Report) -> None:
    """Check the template of pods that a controller keeps running."""
    check_template_metadata(template.metadata, f"{field}.metadata", report)
    spec = template.spec
    check_spec(spec, f"{field}.spec", report)
    if spec.restart_policy in (RESTART_ON_FAILURE, RESTART_NEVER):
        report.add(
            f"{field}.spec.restartPolicy", f'must be "Always" here, is {shown(spec.restart_policy)}'
        )
    if spec.HasField("active_deadline_seconds"):
        report.add(f"{field}.spec.activeDeadlineSeconds", "must not be set: these pods have no end")
