"""One pass over a Job: count, decide, end or make pods, report.

Owns: the order of these steps, the writes that they become, and the end of a job.

Invariants: a plan is one transaction, in which the job's own status is written at most once and
only as the plan saw it; a pod loses its tracking finalizer in the transaction that counts it, or
in which the job itself ends it; a job that is managed by somebody else is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from podraft.api import times
from podraft.api.batch.v1 import job_pb2
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import JOB, POD
from podraft.api.meta.v1 import requests_pb2
from podraft.api.moments import Now
from podraft.api.objects import conditions, owners, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_active, is_ready
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.claiming import (
    claim,
    deletion,
    is_namespace_ending,
    without_finalizer,
)
from podraft.server.controllers.core.plan import Absent, Happening, ObjectKey, Plan, Snapshot
from podraft.server.controllers.planners.jobs.making import creation
from podraft.server.controllers.planners.jobs.pods import INDEXED, Observed, is_tracked, observe
from podraft.server.controllers.planners.jobs.sizing import size
from podraft.server.controllers.planners.jobs.tally import Tally, tally
from podraft.server.controllers.planners.jobs.verdict import (
    FAILURE,
    FINAL,
    SUCCESS,
    Verdict,
    deadline_left_s,
    decided,
    finished,
    verdict_of,
)

# Pods, by ``namespace/job``, whether that job exists or not.
BY_JOB = "job"
MANAGER = "kubernetes.io/job-controller"
# The pods that are let go, or ended, in one plan: with those that are counted and made, all fits
# into one transaction.
WRITES_MAX = 200
ENDED_MAX = 100
_AGAIN_S = 0.05


@dataclass(slots=True)
class _Pass:
    """The decisions of one pass so far; ``status`` is what the job's will be."""

    job: job_pb2.Job
    seen: Observed
    counts: Tally
    now: Now
    status: job_pb2.JobStatus
    verdict: Verdict | None = None
    made: list[int | None] = field(default_factory=list)
    ended: list[pod_pb2.Pod] = field(default_factory=list)
    writes: list[commit_pb2.Write] = field(default_factory=list)
    events: list[Happening] = field(default_factory=list)
    again_s: list[float] = field(default_factory=list)

    def tell(self, reason: str, note: str, *, is_warning: bool = False) -> None:
        self.events.append(Happening(self.job, "Warning" if is_warning else "Normal", reason, note))

    def say(self, type_: str, status: str, reason: str, message: str = "") -> bool:
        now = objects.time_of(self.now)
        said = self.status.conditions
        changed = conditions.set_condition(said, type_, status, now, reason=reason, message=message)
        found = conditions.find(said, type_)
        if changed and found is not None:
            found.last_probe_time.CopyFrom(now)
        return changed


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Return the next step of one Job towards its end."""
    job = snapshot.get(JOB, key.name, key.namespace)
    if job is None:
        return _without_job(snapshot, key)
    if job.spec.managed_by not in ("", MANAGER):
        return Plan()
    pods = [
        pod
        for pod in snapshot.by_index(POD, BY_JOB, f"{key.namespace}/{key.name}")
        if owners.key_of(JOB, job).controls(pod.metadata) and is_tracked(pod)
    ]
    if is_deleting(job.metadata):
        return Plan(tuple(_released(pod) for pod in pods[:WRITES_MAX]), (), _more(len(pods)))
    ended = finished(job)
    if ended is not None:
        return _after_the_end(job, ended, pods, now)
    return _on_the_way(snapshot, job, now)


def _without_job(snapshot: Snapshot, key: ObjectKey) -> Plan:
    """Let the pods go whose job is gone: nobody will count them."""
    found = [
        (pod, reference)
        for pod in snapshot.by_index(POD, BY_JOB, f"{key.namespace}/{key.name}")
        if is_tracked(pod) and (reference := owners.controller_of(pod.metadata)) is not None
    ][:WRITES_MAX]
    absent = {Absent(JOB, key.namespace, key.name, reference.uid) for _, reference in found}
    return Plan(
        tuple(_released(pod) for pod, _ in found),
        requeue_after_s=_more(len(found)),
        absent=tuple(sorted(absent, key=lambda claim: claim.uid)),
    )


def _after_the_end(
    job: job_pb2.Job, ended: job_pb2.JobCondition, pods: list[pod_pb2.Pod], now: Now
) -> Plan:
    """End and let go pods that came to light late, and delete the job in its time."""
    planned = list[commit_pb2.Write]()
    for pod in pods[:WRITES_MAX]:
        planned.append(_released(pod))
        if is_active(pod):
            planned.append(deletion(pod))
    again_s = _more(len(pods))
    if job.spec.HasField("ttl_seconds_after_finished"):
        since_s = now.age_s(times.seconds_of(ended.last_transition_time))
        left_s = job.spec.ttl_seconds_after_finished - since_s
        if left_s > 0:
            again_s = left_s if again_s is None else again_s
        elif not planned:
            planned.append(
                writes.delete(
                    JOB,
                    job.metadata.name,
                    job.metadata.namespace,
                    propagation=requests_pb2.PROPAGATION_POLICY_FOREGROUND,
                    uid=job.metadata.uid,
                )
            )
    return Plan(tuple(planned), (), again_s)


def _on_the_way(snapshot: Snapshot, job: job_pb2.Job, now: Now) -> Plan:
    finalizers = (well_known.JOB_TRACKING_FINALIZER,)
    selector = objects.selector_of(job.spec.selector)
    claims = claim(snapshot, JOB, job, selector, finalizers=finalizers)
    if claims.writes:
        # Ownership comes first: a claimed pod changes the numbers.
        return Plan(tuple(claims.writes[:WRITES_MAX]), requeue_after_s=_AGAIN_S)
    seen = observe(job, claims.pods)
    work = _Pass(job, seen, tally(job, seen), now, objects.copied(job.status))
    _begin_or_rest(work)
    work.verdict = verdict_of(job, seen, work.counts, now)
    if work.verdict is not None:
        _wind_up(work, work.verdict)
    elif job.spec.suspend:
        _end(work, seen.active[:ENDED_MAX], counted=False)
    elif not is_namespace_ending(snapshot, job.metadata.namespace):
        _resize(work)
    _report(work)
    return Plan(tuple(work.writes), tuple(work.events), _soonest(work))


def _begin_or_rest(work: _Pass) -> None:
    """Note when pods may run from: since the start, or since the job was resumed."""
    status, now = work.status, objects.time_of(work.now)
    if work.job.spec.suspend:
        if work.say("Suspended", conditions.TRUE, "JobSuspended", "the job is suspended"):
            work.tell("Suspended", "Suspended")
        status.ClearField("start_time")
        return
    if conditions.is_true(status.conditions, "Suspended"):
        work.say("Suspended", conditions.FALSE, "JobResumed", "the job goes on")
        work.tell("Resumed", "Resumed")
        status.start_time.CopyFrom(now)
    elif not status.HasField("start_time"):
        status.start_time.CopyFrom(now)


def _wind_up(work: _Pass, verdict: Verdict) -> None:
    """End what still runs; when nothing does and all is counted, the job has ended."""
    counts, seen = work.counts, work.seen
    counts.close()
    if decided(work.job) is None:
        work.say(verdict.type, conditions.TRUE, verdict.reason, verdict.message)
    _end(work, seen.active[:ENDED_MAX], counted=verdict.type == FAILURE)
    if seen.active or seen.terminating or not counts.is_whole:
        return
    work.say(FINAL[verdict.type], conditions.TRUE, verdict.reason, verdict.message)
    if verdict.type == SUCCESS:
        work.status.completion_time.CopyFrom(objects.time_of(work.now))
        work.tell("Completed", "Completed")
    else:
        work.tell(verdict.reason, verdict.message, is_warning=True)


def _resize(work: _Pass) -> None:
    if not work.counts.is_whole:
        return  # What is not counted yet may say how often an index failed.
    sizing = size(work.job, work.seen, work.counts, work.now)
    _end(work, sizing.ended, counted=False)
    work.again_s += sizing.again_s
    limit_per_index = work.job.spec.HasField("backoff_limit_per_index")
    for index in sizing.made:
        failures = 0 if limit_per_index and index is not None else None
        if index in work.counts.records:
            failures = work.counts.records[index].failures
            work.counts.replace(index)
        work.writes.append(creation(work.job, index, failures))
    work.made = sizing.made
    if sizing.made:
        count = len(sizing.made)
        work.tell("SuccessfulCreate", f"Created {count} pod{'' if count == 1 else 's'}")


def _end(work: _Pass, pods: list[pod_pb2.Pod], *, counted: bool) -> None:
    """End pods; those that shall not be counted as failed are let go at the same time."""
    for pod in pods:
        if not counted and is_tracked(pod):
            work.writes.append(_released(pod))
        work.writes.append(deletion(pod))
    work.ended = pods
    if pods:
        count = len(pods)
        work.tell("SuccessfulDelete", f"Deleted {count} pod{'' if count == 1 else 's'}")


def _report(work: _Pass) -> None:
    """Write the status, if it changed, before the pods that it counts are let go."""
    status, counts, seen = work.status, work.counts, work.seen
    ended = {pod.metadata.uid for pod in work.ended}
    active = [pod for pod in seen.active if pod.metadata.uid not in ended]
    for name, value in (
        ("active", len(active) + len(work.made)),
        ("ready", sum(is_ready(pod) for pod in active)),
        ("terminating", len(seen.terminating) + len(ended)),
        ("succeeded", counts.succeeded),
        ("failed", counts.failed),
    ):
        setattr(status, name, value)
    if work.job.spec.completion_mode == INDEXED:
        status.completed_indexes = str(counts.completed)
        if work.job.spec.HasField("backoff_limit_per_index"):
            status.failed_indexes = str(counts.given_up)
    let_go = [_released(pod) for pod in counts.released]
    if status != work.job.status:
        changed = objects.copied(work.job)
        changed.status.CopyFrom(status)
        let_go.insert(0, writes.update_status(changed))
    work.writes[:0] = let_go


def _released(pod: pod_pb2.Pod) -> commit_pb2.Write:
    return without_finalizer(pod, well_known.JOB_TRACKING_FINALIZER)


def _more(count: int) -> float | None:
    return _AGAIN_S if count > WRITES_MAX else None


def _soonest(work: _Pass) -> float | None:
    again_s = list(work.again_s)
    if work.verdict is None:
        left_s = deadline_left_s(work.job, work.now)
        if left_s is not None:
            again_s.append(max(left_s, 0.0))
    if not work.counts.is_whole:
        again_s.append(_AGAIN_S)
    return min(again_s, default=None)
