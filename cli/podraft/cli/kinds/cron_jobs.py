"""The view of a CronJob: its schedule, what it does when jobs overlap, what it made."""

from __future__ import annotations

from podraft.api.batch.v1 import cron_job_pb2
from podraft.api.columns import ages
from podraft.cli.kinds.view import Explanation, Surroundings, View, bullets, latest_events
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import NONE, block
from podraft.cli.output.sections.templates import template_lines


class CronJobView(View[cron_job_pb2.CronJob]):
    """The view of a cron job."""

    def body(self, cron_job: cron_job_pb2.CronJob, around: Surroundings, now_s: float) -> list[str]:
        """Return the lines of a cron job without its events."""
        spec, status = cron_job.spec, cron_job.status
        has_deadline = spec.HasField("starting_deadline_seconds")
        pairs = common.metadata(cron_job.metadata, namespaced=True)
        pairs += [
            ("Schedule", spec.schedule or NONE),
            ("Time Zone", spec.time_zone or "UTC"),
            ("Concurrency Policy", spec.concurrency_policy or NONE),
            ("Suspend", str(spec.suspend)),
            ("Successful Job History Limit", str(spec.successful_jobs_history_limit)),
            ("Failed Job History Limit", str(spec.failed_jobs_history_limit)),
            (
                "Starting Deadline Seconds",
                f"{spec.starting_deadline_seconds}s" if has_deadline else "<unset>",
            ),
        ]
        tail = [
            ("Last Schedule Time", ages.full(status.last_schedule_time)),
            ("Last Successful Time", ages.full(status.last_successful_time)),
            ("Active Jobs", ", ".join(job.name for job in status.active) or NONE),
        ]
        return block(pairs) + template_lines(spec.job_template.spec.template) + block(list(tail))

    def why(
        self, cron_job: cron_job_pb2.CronJob, around: Surroundings, now_s: float
    ) -> Explanation:
        """Return whether a cron job makes jobs, and which of them run."""
        spec, status = cron_job.spec, cron_job.status
        found = []
        if spec.suspend:
            found.append("it is suspended: no further jobs are made")
        if status.active:
            names = ", ".join(job.name for job in status.active)
            found.append(f"{len(status.active)} of its jobs run: {names}")
        if spec.concurrency_policy == "Forbid" and status.active:
            found.append("the next job has to wait for them (concurrencyPolicy Forbid)")
        zone = spec.time_zone or "UTC"
        lines = [f"  it makes a job at {spec.schedule} ({zone})", "", *bullets(found)]
        word = "Suspended" if spec.suspend else "Active" if status.active else "Waiting"
        return Explanation(lines + latest_events(around.events, now_s), word)
