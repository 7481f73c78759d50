"""Cron jobs: one job for each time, whatever happened in between."""

from __future__ import annotations

import contextlib
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from podraft.api import codec
from podraft.api.kinds import CRON_JOB, JOB
from podraft.api.moments import Now
from podraft.api.objects import conditions, well_known
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.planners.cron_jobs import plan as cron_jobs
from support.controller_world import START, RefusedError
from support.stale_world import LaggingWorld

KEY = ObjectKey("shop", "backup")
# 2023-11-14, 22:13:20 UTC: the next full hour is 2,800 seconds later.
NEXT_HOUR_S = 2800.0


class Cluster:
    """A world with one cron job."""

    def __init__(self, schedule: str = "@hourly", **spec: Any) -> None:
        self.world = LaggingWorld()
        pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "app:1"}]}
        template = {
            "metadata": {"labels": {"app": "backup"}},
            "spec": {"template": {"spec": pod}},
        }
        data = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "backup", "namespace": "shop"},
            "spec": {"schedule": schedule, "jobTemplate": template, **spec},
        }
        made: Any = codec.from_json(data)
        self.world.create(made)
        self.again_s: float | None = None

    @property
    def cron_job(self) -> Any:
        return self.world.get(CRON_JOB, "backup", "shop")

    def plan(self, snapshot: Any = None) -> bool:
        plan = cron_jobs.plan(snapshot or self.world, KEY, Now.at(self.world.now))
        self.again_s = plan.requeue_after_s
        self.world.commit(plan)
        return bool(plan.writes)

    def settle(self) -> None:
        for _ in range(10):
            if not self.plan():
                return
        raise AssertionError("the plans do not come to an end")

    def wait(self, seconds: float) -> None:
        self.world.now += seconds
        self.settle()

    def times(self) -> list[str]:
        return [
            job.metadata.annotations[well_known.SCHEDULED_TIME][11:16]
            for job in objects.oldest_first(list(self.world.list(JOB)))
        ]

    def end(self, type_: str = "Complete") -> None:
        """Let all jobs come to an end."""
        now = objects.time_of(Now.at(self.world.now))

        def change(job: Any) -> None:
            if not job.status.conditions:
                conditions.set_condition(job.status.conditions, type_, "True", now)
                job.status.completion_time.CopyFrom(now)

        for job in list(self.world.list(JOB)):
            self.world.change(job, change)
        self.settle()


def test_a_job_is_made_at_its_time_from_the_template() -> None:
    cluster = Cluster()
    cluster.settle()
    assert not cluster.world.list(JOB)
    assert cluster.again_s == NEXT_HOUR_S
    cluster.wait(NEXT_HOUR_S)
    [job] = cluster.world.list(JOB)
    assert job.metadata.name == f"backup-{int(START + NEXT_HOUR_S) // 60}"
    assert job.metadata.labels["app"] == "backup"
    assert job.metadata.annotations[well_known.SCHEDULED_TIME] == "2023-11-14T23:00:00Z"
    assert job.metadata.owner_references[0].name == "backup"
    assert [active.name for active in cluster.cron_job.status.active] == [job.metadata.name]
    assert cluster.cron_job.status.last_schedule_time.seconds == START + NEXT_HOUR_S
    assert cluster.again_s == 3600
    cluster.end()
    status = cluster.cron_job.status
    assert not status.active
    assert status.last_successful_time.seconds == START + NEXT_HOUR_S


def test_the_clock_is_that_of_the_time_zone() -> None:
    cluster = Cluster("0 5 * * *", timeZone="Asia/Kolkata")
    cluster.settle()
    cluster.wait(2 * 3600)
    [job] = cluster.world.list(JOB)
    assert job.metadata.annotations[well_known.SCHEDULED_TIME] == "2023-11-15T05:00:00+05:30"


def test_what_was_missed_is_made_up_for_once() -> None:
    cluster = Cluster()
    cluster.settle()
    cluster.wait(50 * 3600 + NEXT_HOUR_S + 60)
    assert cluster.times() == ["01:00"]


def test_what_was_missed_for_too_long_is_left() -> None:
    cluster = Cluster(startingDeadlineSeconds=100)
    cluster.settle()
    cluster.wait(NEXT_HOUR_S + 101)
    assert cluster.times() == []
    cluster.wait(3600 - 50)
    assert cluster.times() == ["00:00"]


@pytest.mark.parametrize(
    ("policy", "times", "later"),
    [
        ("Allow", ["23:00", "00:00"], ["23:00", "00:00"]),
        ("Forbid", ["23:00"], ["23:00", "00:00"]),
        ("Replace", ["00:00"], ["00:00"]),
    ],
)
def test_jobs_that_overlap_are_allowed_put_off_or_replaced(
    policy: str, times: list[str], later: list[str]
) -> None:
    cluster = Cluster(concurrencyPolicy=policy)
    cluster.settle()
    cluster.wait(NEXT_HOUR_S)
    cluster.wait(3600)
    assert cluster.times() == times
    cluster.end()
    assert cluster.times() == later


def test_a_suspended_cron_job_makes_nothing() -> None:
    cluster = Cluster(suspend=True)
    cluster.wait(5 * 3600)
    assert cluster.times() == []
    assert cluster.again_s is None


def test_only_the_latest_jobs_that_ended_are_kept() -> None:
    cluster = Cluster(successfulJobsHistoryLimit=2, failedJobsHistoryLimit=0)
    cluster.settle()
    cluster.wait(NEXT_HOUR_S)
    cluster.end("Failed")
    assert cluster.times() == []
    for _ in range(4):
        cluster.wait(3600)
        cluster.end()
    assert cluster.times() == ["02:00", "03:00"]


def test_a_name_that_a_stranger_took_holds_up_one_time_only() -> None:
    cluster = Cluster()
    cluster.settle()
    stranger = JOB.message()
    stranger.metadata.name = f"backup-{int(START + NEXT_HOUR_S) // 60}"
    stranger.metadata.namespace = "shop"
    cluster.world.create(stranger)
    cluster.wait(NEXT_HOUR_S)
    assert len(cluster.world.list(JOB)) == 1
    cluster.wait(3600)
    assert len(cluster.world.list(JOB)) == 2


@pytest.mark.parametrize("policy", ["Allow", "Forbid", "Replace"])
@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_killed_after_any_write_with_old_caches_each_time_has_one_job(
    seed: int, torn: bool, policy: str
) -> None:
    chance = random.Random(seed)
    cluster = Cluster("*/10 * * * *", concurrencyPolicy=policy)
    seen: dict[str, str] = {}
    for _ in range(150):
        cluster.world.now += chance.choice([0.0, 5.0, 200.0])
        with contextlib.suppress(RefusedError):
            cluster.plan(cluster.world.stale(chance, lag_max=5, torn=torn))
        if chance.random() < 0.2:
            with contextlib.suppress(RefusedError):
                cluster.end(chance.choice(["Complete", "Failed"]))
        for job in cluster.world.list(JOB):
            time = job.metadata.annotations[well_known.SCHEDULED_TIME]
            assert seen.setdefault(time, job.metadata.uid) == job.metadata.uid, f"seed {seed}"
    cluster.end()
    due = datetime.fromtimestamp(cluster.world.now // 600 * 600, UTC)
    last = datetime.fromtimestamp(cluster.cron_job.status.last_schedule_time.seconds, UTC)
    assert last == due
