"""Jobs: counted exactly once, never more at a time than asked for, ended for the right reason."""

from __future__ import annotations

import contextlib
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.api.kinds import JOB, POD
from podraft.api.moments import Now
from podraft.api.objects import conditions, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_finished
from podraft.server import kinds as rooms
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.manager import COMMIT_MAX
from podraft.server.controllers.planners.jobs import plan as jobs
from podraft.server.controllers.planners.jobs.pods import index_of, is_tracked
from support.controller_world import RefusedError
from support.stale_world import LaggingWorld

KEY = ObjectKey("shop", "work")
INDEXED = {"completionMode": "Indexed"}


def new_job(**spec: Any) -> Any:
    restart = spec.pop("restartPolicy", "Never")
    template = {
        "spec": {"restartPolicy": restart, "containers": [{"name": "main", "image": "app:1"}]}
    }
    data = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "work", "namespace": "shop"},
        "spec": {"template": template, **spec},
    }
    proposed: Any = codec.from_json(data)
    return rooms.prepare_create(
        JOB,
        proposed,
        now=datetime(2026, 1, 1, tzinfo=UTC),
        uid="uid-1",
        name_suffix="x",
        known=kinds.BUILT_IN,
    )


class Cluster:
    """A world with one job, whose pods run and end as the test says."""

    def __init__(self, **spec: Any) -> None:
        self.world = LaggingWorld()
        self.world.create(new_job(**spec))
        self.again_s: float | None = None

    @property
    def job(self) -> Any:
        return self.world.get(JOB, "work", "shop")

    @property
    def status(self) -> Any:
        return codec.to_json(self.job.status)

    def change(self, change: Any) -> None:
        self.world.change(self.job, change)

    def plan(self, snapshot: Any = None) -> bool:
        plan = jobs.plan(snapshot or self.world, KEY, Now.at(self.world.now))
        assert len(plan.writes) <= COMMIT_MAX, "a plan is one transaction"
        self.again_s = plan.requeue_after_s
        self.world.commit(plan)
        return bool(plan.writes)

    def settle(self) -> None:
        for _ in range(50):
            if not self.plan():
                return
        raise AssertionError("the plans do not come to an end")

    def active(self) -> list[Any]:
        return [pod for pod in self.world.pods() if not is_finished(pod)]

    def indexes(self) -> list[int]:
        return sorted(index_of(pod) or 0 for pod in self.active())

    def run(self, phase: str, code: int = 0, count: int | None = None) -> None:
        """Let the pods that run, or the first few, end; then plan."""
        pods = sorted(self.active(), key=lambda pod: index_of(pod) or 0)
        for pod in pods[:count]:
            self.world.bind(pod)
            self.world.finish(pod, phase, code)
        self.settle()

    def ended(self) -> str:
        said = self.job.status.conditions
        for type_ in ("Complete", "Failed"):
            if conditions.is_true(said, type_):
                return f"{type_} {conditions.find(said, type_).reason}"
        return ""

    def wait(self, seconds: float) -> None:
        self.world.now += seconds
        self.settle()


def tracked(cluster: Cluster) -> list[Any]:
    return [pod for pod in cluster.world.list(POD) if is_tracked(pod)]


@pytest.mark.parametrize(
    ("spec", "waves"),
    [
        ({}, [1]),
        ({"completions": 5, "parallelism": 2}, [2, 2, 1]),
        ({"completions": 2, "parallelism": 9}, [2]),
        ({"parallelism": 3}, [3]),
        ({"completions": 4, "parallelism": 3, **INDEXED}, [3, 1]),
        ({"completions": 0}, []),
    ],
)
def test_pods_run_side_by_side_until_enough_have_succeeded(
    spec: dict[str, Any], waves: list[int]
) -> None:
    cluster = Cluster(**spec)
    cluster.settle()
    for count in waves:
        assert len(cluster.active()) == count
        assert cluster.status["active"] == count
        cluster.run("Succeeded")
    assert cluster.ended() == "Complete CompletionsReached"
    assert cluster.status["succeeded"] == sum(waves)
    assert cluster.status["active"] == 0
    assert not tracked(cluster)
    assert cluster.job.status.HasField("completion_time")


def test_an_indexed_pod_knows_its_index_in_every_way() -> None:
    cluster = Cluster(completions=3, parallelism=3, **INDEXED)
    cluster.settle()
    assert cluster.indexes() == [0, 1, 2]
    pod = next(pod for pod in cluster.active() if index_of(pod) == 2)
    assert pod.metadata.labels[well_known.COMPLETION_INDEX] == "2"
    assert pod.spec.hostname == "work-2"
    assert pod.metadata.name.startswith("work-2-")
    [container] = pod.spec.containers
    assert [(v.name, v.value) for v in container.env] == [("JOB_COMPLETION_INDEX", "2")]
    cluster.run("Succeeded", count=2)
    assert cluster.status["completedIndexes"] == "0,1"
    assert cluster.status["succeeded"] == 2


def test_failures_are_replaced_after_a_pause_that_doubles() -> None:
    cluster = Cluster(backoffLimit=3)
    cluster.settle()
    for pause_s in (10, 20, 40):
        cluster.run("Failed", 1)
        assert not cluster.active()
        assert cluster.again_s == pause_s
        cluster.wait(pause_s - 1)
        assert not cluster.active()
        cluster.wait(1)
        assert len(cluster.active()) == 1
    cluster.run("Failed", 1)
    assert cluster.ended() == "Failed BackoffLimitExceeded"
    assert cluster.status["failed"] == 4
    assert not tracked(cluster)


def test_a_job_that_failed_ends_what_still_runs_first() -> None:
    cluster = Cluster(backoffLimit=0, completions=3, parallelism=3)
    cluster.settle()
    for pod in cluster.active():
        cluster.world.bind(pod)
    cluster.run("Failed", 1, count=1)
    assert conditions.is_true(cluster.job.status.conditions, "FailureTarget")
    assert cluster.ended() == ""
    ending = [pod for pod in cluster.world.list(POD) if is_deleting(pod.metadata)]
    assert len(ending) == 2
    for pod in ending:
        cluster.world.delete(pod, grace_s=0)
    cluster.settle()
    assert cluster.ended() == "Failed BackoffLimitExceeded"
    assert cluster.status["failed"] == 3


def test_containers_that_are_started_again_too_often_fail_the_job() -> None:
    cluster = Cluster(backoffLimit=2, restartPolicy="OnFailure")
    cluster.settle()
    [pod] = cluster.active()

    def restart(p: Any) -> None:
        p.status.container_statuses.add(name="main", restart_count=2)

    cluster.world.change(pod, restart)
    cluster.settle()
    assert cluster.ended() == "Failed BackoffLimitExceeded"


def test_a_job_that_takes_too_long_fails() -> None:
    cluster = Cluster(activeDeadlineSeconds=30)
    cluster.settle()
    assert cluster.again_s == 30
    cluster.wait(30)
    assert cluster.ended() == "Failed DeadlineExceeded"
    assert not cluster.active()


def test_a_suspended_job_rests_and_its_time_begins_anew() -> None:
    cluster = Cluster(suspend=True, activeDeadlineSeconds=30)
    cluster.settle()
    assert not cluster.active()
    assert conditions.is_true(cluster.job.status.conditions, "Suspended")
    cluster.change(lambda job: setattr(job.spec, "suspend", False))
    cluster.wait(100)
    assert len(cluster.active()) == 1
    assert cluster.again_s == 30
    cluster.change(lambda job: setattr(job.spec, "suspend", True))
    cluster.settle()
    assert not cluster.active()
    assert cluster.status.get("failed") == 0
    assert "startTime" not in cluster.status


def test_a_smaller_parallelism_ends_pods_without_counting_them() -> None:
    cluster = Cluster(completions=9, parallelism=4)
    cluster.settle()
    cluster.change(lambda job: setattr(job.spec, "parallelism", 1))
    cluster.settle()
    assert len(cluster.active()) == 1
    assert (cluster.status["failed"], cluster.status["active"]) == (0, 1)


@pytest.mark.parametrize(
    ("rule", "code", "condition", "expected"),
    [
        ({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}, 42, "",
         "Failed PodFailurePolicy"),
        ({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}, 1, "", 1),
        ({"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [42]}}, 1, "",
         "Failed PodFailurePolicy"),
        ({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}, 1,
         "DisruptionTarget", 0),
        ({"action": "Count", "onPodConditions": [{"type": "DisruptionTarget"}]}, 1,
         "DisruptionTarget", 1),
    ],
)  # fmt: skip
def test_what_a_failure_means_is_the_policys_to_say(
    rule: dict[str, Any], code: int, condition: str, expected: Any
) -> None:
    cluster = Cluster(podFailurePolicy={"rules": [rule]})
    cluster.settle()
    [pod] = cluster.active()
    if condition:
        cluster.world.change(pod, lambda p: p.status.conditions.add(type=condition, status="True"))
    cluster.run("Failed", code)
    if isinstance(expected, str):
        assert cluster.ended() == expected
        message = conditions.find(cluster.job.status.conditions, "Failed").message
        assert f"exit code {code}" in message
    else:
        assert cluster.ended() == ""
        assert cluster.status["failed"] == expected


def test_each_index_has_a_limit_of_its_own() -> None:
    cluster = Cluster(completions=2, parallelism=2, backoffLimitPerIndex=1, **INDEXED)
    cluster.settle()
    cluster.run("Failed", 1, count=1)
    assert cluster.indexes() == [1]
    cluster.run("Succeeded")
    cluster.wait(10)
    assert cluster.indexes() == [0]
    [again] = cluster.active()
    assert again.metadata.annotations[well_known.INDEX_FAILURES] == "1"
    assert cluster.status["failed"] == 1
    cluster.run("Failed", 1)
    assert cluster.status["failedIndexes"] == "0"
    assert cluster.ended() == "Failed FailedIndexes"
    assert (cluster.status["failed"], cluster.status["succeeded"]) == (2, 1)


def test_too_many_failed_indexes_fail_the_job_at_once() -> None:
    cluster = Cluster(
        completions=9, parallelism=2, backoffLimitPerIndex=0, maxFailedIndexes=1, **INDEXED
    )
    cluster.settle()
    cluster.run("Failed", 1, count=1)
    assert cluster.ended() == ""
    cluster.run("Failed", 1)
    assert cluster.ended() == "Failed MaxFailedIndexesExceeded"
    assert cluster.status["failedIndexes"] == "0-2" or cluster.status["failedIndexes"] == "0,1"


def test_an_index_can_fail_without_a_second_try() -> None:
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [9]}}
    cluster = Cluster(
        completions=2, parallelism=2, backoffLimitPerIndex=5,
        podFailurePolicy={"rules": [rule]}, **INDEXED,
    )  # fmt: skip
    cluster.settle()
    cluster.run("Failed", 9, count=1)
    assert cluster.status["failedIndexes"] == "0"
    cluster.run("Succeeded")
    assert cluster.ended() == "Failed FailedIndexes"


@pytest.mark.parametrize(
    ("rule", "succeeded"),
    [
        ({"succeededCount": 1}, 1),
        ({"succeededIndexes": "0-1"}, 2),
        ({"succeededIndexes": "0,3", "succeededCount": 1}, 1),
    ],
)
def test_some_indexes_can_be_enough(rule: dict[str, Any], succeeded: int) -> None:
    cluster = Cluster(completions=4, parallelism=4, successPolicy={"rules": [rule]}, **INDEXED)
    cluster.settle()
    cluster.run("Succeeded", count=succeeded)
    assert cluster.ended() == "Complete SuccessPolicy"
    assert (cluster.status["succeeded"], cluster.status["failed"]) == (succeeded, 0)
    assert not cluster.active()


@pytest.mark.parametrize(("policy", "replaced"), [("Failed", 0), ("TerminatingOrFailed", 1)])
def test_a_pod_is_replaced_when_its_end_begins_or_when_it_has_ended(
    policy: str, replaced: int
) -> None:
    cluster = Cluster(podReplacementPolicy=policy)
    cluster.settle()
    [pod] = cluster.active()
    cluster.world.bind(pod)
    cluster.world.delete(pod)
    cluster.wait(10)
    assert len(cluster.active()) == replaced
    assert cluster.status["failed"] == replaced
    cluster.world.delete(pod, grace_s=0)
    cluster.wait(10)
    assert len(cluster.active()) == 1
    assert cluster.status["failed"] == 1


def test_a_finished_job_goes_in_its_time() -> None:
    cluster = Cluster(ttlSecondsAfterFinished=60)
    cluster.settle()
    cluster.run("Succeeded")
    assert cluster.again_s == 60
    cluster.wait(60)
    assert is_deleting(cluster.job.metadata)


def test_a_job_that_is_managed_by_others_is_left_alone() -> None:
    cluster = Cluster(managedBy="example.com/queue")
    cluster.settle()
    assert not cluster.world.list(POD)
    assert cluster.status == {}


def test_pods_of_a_job_that_is_gone_or_going_are_let_go() -> None:
    cluster = Cluster(completions=3, parallelism=3)
    cluster.settle()
    assert len(tracked(cluster)) == 3
    gone = jobs.plan(cluster.world, ObjectKey("shop", "other"), Now.at(cluster.world.now))
    assert not gone.writes
    del cluster.world.objects[("jobs", "shop", "work")]
    plan = jobs.plan(cluster.world, KEY, Now.at(cluster.world.now))
    assert [claim.uid for claim in plan.absent] == ["uid-1"]
    cluster.world.commit(plan)
    assert not tracked(cluster)


def test_a_growing_indexed_job_gets_further_indexes_and_a_shrinking_one_fewer() -> None:
    cluster = Cluster(completions=2, parallelism=2, **INDEXED)
    cluster.settle()

    def resize(count: int) -> None:
        def change(job: Any) -> None:
            job.spec.completions = job.spec.parallelism = count

        cluster.change(change)
        cluster.settle()

    resize(4)
    assert cluster.indexes() == [0, 1, 2, 3]
    resize(1)
    assert cluster.indexes() == [0]


# ---- Killed after every write, with caches that lag behind ---------------------------------------


class Adversary(Cluster):
    """Plans from caches of different ages, as after a kill, while pods live their lives."""

    def __init__(self, seed: int, **spec: Any) -> None:
        super().__init__(**spec)
        self.chance = random.Random(seed)
        self.counted = {"Succeeded": 0, "Failed": 0}

    def live(self) -> None:
        """Let one thing happen to one pod."""
        pods = [pod for pod in self.world.list(POD) if not is_finished(pod)]
        if not pods:
            return
        pod = self.chance.choice(pods)
        if is_deleting(pod.metadata):
            self.world.delete(pod, grace_s=0)
        elif not pod.spec.node_name:
            self.world.bind(pod)
        else:
            phase = self.chance.choice(["Succeeded", "Succeeded", "Failed"])
            self.counted[phase] += is_tracked(pod)
            self.world.finish(pod, phase, int(phase == "Failed"))

    def step(self, *, torn: bool) -> None:
        self.world.now += self.chance.choice([0.0, 1.0, 15.0])
        if self.chance.random() < 0.5:
            self.live()
        # A refused plan had seen what is no more; nothing of it takes effect.
        with contextlib.suppress(RefusedError):
            self.plan(self.world.stale(self.chance, lag_max=5, torn=torn))

    def finish_calmly(self) -> None:
        for _ in range(2000):
            self.world.now += 20
            self.live()
            if not self.plan() and self.ended():
                return
        raise AssertionError("the job does not end")


SPECS = pytest.mark.parametrize(
    "spec",
    [
        {"completions": 6, "parallelism": 3, "backoffLimit": 100},
        {"completions": 6, "parallelism": 3, "backoffLimit": 100, **INDEXED},
        {"completions": 5, "parallelism": 5, "backoffLimitPerIndex": 50, **INDEXED},
    ],
    ids=["alike", "indexed", "limits-per-index"],
)


@pytest.mark.parametrize("seed", range(8))
@SPECS
def test_killed_after_any_write_and_started_from_an_old_moment_each_pod_is_counted_exactly_once(
    seed: int, spec: dict[str, Any]
) -> None:
    cluster = Adversary(seed, **spec)
    for _ in range(120):
        cluster.step(torn=False)
    cluster.finish_calmly()
    assert cluster.ended() == "Complete CompletionsReached"
    assert not tracked(cluster)
    status = cluster.job.status
    assert status.failed == cluster.counted["Failed"], f"seed {seed}"
    if spec.get("completionMode") == "Indexed":
        assert status.completed_indexes == f"0-{spec['completions'] - 1}"
        assert status.succeeded == spec["completions"]
    else:
        assert status.succeeded == cluster.counted["Succeeded"] == spec["completions"]


@pytest.mark.parametrize("seed", range(8))
@SPECS
def test_two_leaders_with_caches_of_different_ages_count_no_pod_twice(
    seed: int, spec: dict[str, Any]
) -> None:
    cluster = Adversary(seed, **spec)
    for _ in range(120):
        cluster.step(torn=True)
    cluster.finish_calmly()
    assert cluster.ended() == "Complete CompletionsReached"
    cluster.settle()
    assert not tracked(cluster)
    assert not cluster.active()
    status = cluster.job.status
    assert status.failed <= cluster.counted["Failed"], f"seed {seed}"
    assert spec["completions"] <= status.succeeded <= cluster.counted["Succeeded"], f"seed {seed}"
