"""The view of a Job: how far it is, how it ended, and what its pods wait for."""

from __future__ import annotations

from podraft.api import kinds
from podraft.api.batch.v1 import job_pb2
from podraft.api.columns import ages
from podraft.api.columns.column import selector_text
from podraft.api.objects import conditions, owners
from podraft.cli.kinds.pod_reasons import blocked_pods
from podraft.cli.kinds.view import (
    Explanation,
    Need,
    RunningView,
    Surroundings,
    bullets,
    latest_events,
)
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import NONE, block
from podraft.cli.output.sections.templates import template_lines
from podraft.cli.plans.rollouts import Progress

_PODS_SHOWN = 3


class JobView(RunningView[job_pb2.Job]):
    """The view of a job: its counts, its end, and the state of its pods."""

    tells_of_pods = True

    def body(self, job: job_pb2.Job, around: Surroundings, now_s: float) -> list[str]:
        """Return the lines of a job without its events."""
        spec, status = job.spec, job.status
        pairs = common.metadata(job.metadata, namespaced=True)
        pairs += [
            ("Selector", selector_text(spec.selector)),
            ("Parallelism", str(spec.parallelism)),
            ("Completions", str(spec.completions) if spec.HasField("completions") else NONE),
            ("Completion Mode", spec.completion_mode or NONE),
            ("Suspend", str(spec.suspend).lower()),
            ("Backoff Limit", str(spec.backoff_limit)),
        ]
        for label, name in (
            ("Backoff Limit Per Index", "backoff_limit_per_index"),
            ("Max Failed Indexes", "max_failed_indexes"),
            ("Active Deadline Seconds", "active_deadline_seconds"),
            ("TTL Seconds After Finished", "ttl_seconds_after_finished"),
        ):
            if spec.HasField(name):
                pairs.append((label, str(getattr(spec, name))))
        pairs += [
            ("Start Time", ages.full(status.start_time)),
            ("Completion Time", ages.full(status.completion_time)),
            ("Pods Statuses", _counts(job)),
        ]
        for label, text in (
            ("Completed Indexes", status.completed_indexes),
            ("Failed Indexes", status.failed_indexes),
        ):
            if text:
                pairs.append((label, text))
        lines = block(pairs) + template_lines(spec.template)
        return lines + block([("Conditions", common.conditions(status.conditions))])

    def why_needs(self, job: job_pb2.Job) -> frozenset[Need]:
        """Return what is needed to explain a job."""
        return frozenset({Need.EVENTS, Need.SELECTED_PODS, Need.POD_RECORDS})

    def why(self, job: job_pb2.Job, around: Surroundings, now_s: float) -> Explanation:
        """Return how a job ended, or what it waits for."""
        state = self.progress(job, now_s)
        lines = [f"  {state.message}", ""]
        own = owners.key_of(kinds.JOB, job)
        mine = [pod for pod in around.pods if own.controls(pod.metadata)]
        found = [] if state.done or state.failed else _reasons(job)
        for blocked in blocked_pods(mine, around.pod_records, now_s):
            shown = ", ".join(blocked.pods[:_PODS_SHOWN])
            found.append(f"{len(blocked.pods)} of {len(mine)} pods: {blocked.reason} ({shown})")
        if found:
            lines += ["What it waits for:", *bullets(found)]
        word = "Complete" if state.done else "Failed" if state.failed else "Running"
        return Explanation(lines + latest_events(around.events, now_s), word)

    def progress(self, job: job_pb2.Job, now_s: float) -> Progress:
        """Return how far a job is."""
        name = job.metadata.name
        failed = conditions.find(job.status.conditions, "Failed")
        if failed is not None and failed.status == conditions.TRUE:
            return Progress(f'job "{name}" failed: {failed.reason}: {failed.message}', failed=True)
        if conditions.is_true(job.status.conditions, "Complete"):
            return Progress(f'job "{name}" is complete', done=True)
        return Progress(f'Waiting for job "{name}" to finish: {_counts(job)}...')


def _counts(job: job_pb2.Job) -> str:
    status = job.status
    return (
        f"{status.active} Active ({status.ready} Ready) / "
        f"{status.succeeded} Succeeded / {status.failed} Failed"
    )


def _reasons(job: job_pb2.Job) -> list[str]:
    """Return what, apart from its pods, holds a job up."""
    if job.spec.suspend:
        return ["it is suspended: no pods run until spec.suspend is false"]
    if job.spec.managed_by not in ("", "kubernetes.io/job-controller"):
        return [f"it is managed by {job.spec.managed_by}"]
    if not job.status.HasField("start_time"):
        return ["it was not seen by the controllers yet: are they running?"]
    for type_ in ("FailureTarget", "SuccessCriteriaMet"):
        if conditions.is_true(job.status.conditions, type_):
            return [f"{type_}: its last pods end"]
    if not job.status.active and job.status.failed:
        return ["pods failed: there is a pause of 10 seconds to 6 minutes before the next ones"]
    return [f"{job.status.active} pods run"] if job.status.active else []
