"""The pod core keeps its rules on a simulated node."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from podraft.agent.pods.core.records import (
    ContainerPhase,
    KillContainer,
    ProbeKey,
    ProbeKind,
)
from podraft.api.core.v1 import pod_pb2
from unit.agent.pod_world import Chances, World, make_pod

SEEDS = range(40)


def world(pod: pod_pb2.Pod, seed: int = 1, **chances: Any) -> World:
    print(f"seed {seed}")
    return World(pod, random.Random(seed), Chances(**chances))


def conditions(world: World) -> dict[str, str]:
    return {c.type: c.status for c in world.pod.status.conditions}


def test_a_pod_runs_and_is_ready_when_nothing_fails() -> None:
    it = world(make_pod("a", "b"))
    it.run(5)
    assert it.pod.status.phase == "Running"
    assert it.pod.status.pod_ip == "10.244.0.9"
    assert set(conditions(it).values()) == {"True"}
    assert len(it.starts) == 2


def test_nothing_is_planned_once_a_pod_has_converged() -> None:
    it = world(make_pod("a"))
    it.run(5)
    it.decide()
    assert it.decision.actions == ()
    assert it.decision.wake_at_s is None


def test_init_containers_run_one_after_the_other_before_the_others() -> None:
    it = world(make_pod("main", init=("first", "second")))
    it.chances.exits_within_s, it.chances.exit_codes = (1.0, 2.0), (0,)
    it.run(10)
    assert [name for _, name, _ in it.starts][:3] == ["first", "second", "main"]
    assert it.container_status("first").state.terminated.reason == "Completed"
    assert it.container_status("second").ready


def test_a_pod_with_unfinished_init_containers_is_pending() -> None:
    it = world(make_pod("main", init=("first",)))
    it.run(5)
    assert it.pod.status.phase == "Pending"
    assert conditions(it)["Initialized"] == "False"
    assert it.container_status("main").state.waiting.reason == "PodInitializing"


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [
        ("Never", 0, "Succeeded"),
        ("Never", 3, "Failed"),
        ("OnFailure", 0, "Succeeded"),
        ("OnFailure", 3, "Running"),
        ("Always", 0, "Running"),
    ],
)
def test_the_restart_policy_decides_how_a_pod_ends(policy: str, code: int, phase: str) -> None:
    it = world(make_pod("a", policy=policy))
    it.run(2)
    it.exit("a-0", code)
    it.run(2)
    assert it.pod.status.phase == phase
    assert len(it.starts) == (2 if phase == "Running" else 1)


def test_a_failed_init_container_fails_a_pod_that_never_restarts() -> None:
    it = world(make_pod("main", init=("first",), policy="Never"))
    it.run(2)
    it.exit("first-0", 1)
    it.run(2)
    assert it.pod.status.phase == "Failed"
    assert it.released


def test_a_pod_that_ended_is_never_started_again() -> None:
    it = world(make_pod("a", policy="Never"))
    it.run(2)
    it.exit("a-0", 0)
    it.run(2)
    it.containers.clear()
    it.run(100)
    assert it.pod.status.phase == "Succeeded"
    assert len(it.starts) == 1


def test_a_crash_loop_backs_off_from_ten_seconds_to_five_minutes() -> None:
    it = world(make_pod("a"), exits_within_s=(0.1, 0.1))
    it.run(3600)
    times = [at_s for at_s, _, _ in it.starts]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    expected = [0, 10, 20, 40, 80, 160, 300, 300, 300, 300]
    for gap, wanted in zip(gaps, expected, strict=False):
        assert wanted <= gap <= wanted + 2, gaps
    status = it.container_status("a")
    assert status.state.waiting.reason == "CrashLoopBackOff"
    assert status.last_state.terminated.exit_code == 1
    assert status.restart_count == len(it.starts) - 1


@pytest.mark.parametrize("step_s", [-3600, 7200])
@pytest.mark.parametrize("runtime_steps", [True, False])
def test_a_crash_loop_goes_on_as_before_when_the_clock_steps(
    step_s: int, runtime_steps: bool
) -> None:
    """Whether the container runtime's stamps follow the step or not."""
    it = world(make_pod("a"), exits_within_s=(0.1, 0.1))
    it.run(95)
    it.ahead_s += step_s
    if not runtime_steps:
        it.stamps_ahead_s = -step_s
    it.run(1500)
    times = [at_s for at_s, _, _ in it.starts]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    for gap, wanted in zip(gaps, [0, 10, 20, 40, 80, 160, 300, 300], strict=False):
        assert wanted <= gap <= wanted + 2, gaps
    assert len(gaps) >= 7


@pytest.mark.parametrize("step_s", [-3600, 7200])
def test_an_active_deadline_is_as_long_as_it_says_when_the_clock_steps(step_s: int) -> None:
    pod = make_pod("a")
    pod.spec.active_deadline_seconds = 100
    it = world(pod)
    it.run(50)
    it.ahead_s += step_s
    it.run(45)
    assert it.pod.status.phase == "Running"
    it.run(10)
    assert it.pod.status.phase == "Failed"


def test_a_container_that_ran_ten_minutes_starts_again_at_once() -> None:
    it = world(make_pod("a"), exits_within_s=(0.1, 0.1))
    it.run(200)
    it.chances.exits_within_s = (700.0, 700.0)
    it.run(2000)
    times = [at_s for at_s, _, _ in it.starts]
    assert times[-1] - times[-2] < 702


def test_at_most_two_attempts_of_a_container_are_kept() -> None:
    it = world(make_pod("a"), exits_within_s=(0.1, 0.1))
    it.run(3600)
    assert len(it.containers) == 2


def test_an_image_that_cannot_be_pulled_backs_off_and_says_why() -> None:
    it = world(make_pod("a"), image_fails=1.0)
    it.run(1)
    waiting = it.container_status("a").state.waiting
    assert (waiting.reason, waiting.message) == ("ErrImagePull", "no route")
    it.run(60)
    assert it.container_status("a").state.waiting.reason == "ImagePullBackOff"
    assert it.pod.status.phase == "Pending"
    it.chances.image_fails = 0.0
    it.run(300)
    assert it.pod.status.phase == "Running"


def test_a_failing_liveness_probe_kills_and_the_container_restarts() -> None:
    pod = make_pod("a")
    pod.spec.containers[0].liveness_probe.handler.tcp_socket.port.int_val = 80
    it = world(pod)
    it.run(2)
    assert ProbeKey("a-0", ProbeKind.LIVENESS) in it.decision.probes
    it.probes[ProbeKey("a-0", ProbeKind.LIVENESS)] = False
    it.run(10)
    assert it.containers["a-0"].phase is ContainerPhase.EXITED
    assert it.container_status("a").restart_count == 1


def test_a_startup_probe_holds_back_the_others_and_readiness() -> None:
    pod = make_pod("a")
    for probe in (
        pod.spec.containers[0].startup_probe,
        pod.spec.containers[0].liveness_probe,
        pod.spec.containers[0].readiness_probe,
    ):
        probe.handler.tcp_socket.port.int_val = 80
    it = world(pod)
    it.run(2)
    assert it.decision.probes == {ProbeKey("a-0", ProbeKind.STARTUP)}
    assert not it.container_status("a").started
    it.probes[ProbeKey("a-0", ProbeKind.STARTUP)] = True
    it.decide()
    kinds = {key.kind for key in it.decision.probes}
    assert kinds == {ProbeKind.READINESS, ProbeKind.LIVENESS}
    assert not it.container_status("a").ready
    it.probes[ProbeKey("a-0", ProbeKind.READINESS)] = True
    it.decide()
    assert it.container_status("a").ready
    assert conditions(it)["Ready"] == "True"


def test_a_deleted_pod_is_stopped_within_its_grace_and_then_forgotten() -> None:
    it = world(make_pod("a", "b", grace_s=5), ignores_term=1.0)
    it.run(2)
    it.terminating_since_s = it.now_s
    it.run(4.9)
    assert len(it.running()) == 2
    it.run(2)
    assert it.deleted
    assert not it.containers


def test_a_shorter_grace_hastens_a_kill_under_way() -> None:
    it = world(make_pod("a", grace_s=600), ignores_term=1.0)
    it.run(2)
    it.terminating_since_s = it.now_s
    it.run(1)
    it.pod.metadata.deletion_grace_period_seconds = 0
    it.run(5)
    assert it.deleted


def test_a_pod_past_its_active_deadline_fails() -> None:
    pod = make_pod("a")
    pod.spec.active_deadline_seconds = 30
    it = world(pod)
    it.run(60)
    assert it.pod.status.phase == "Failed"
    assert it.pod.status.reason == "DeadlineExceeded"
    assert not it.running()


def test_a_changed_image_restarts_the_container() -> None:
    it = world(make_pod("a"))
    it.run(2)
    it.pod.spec.containers[0].image = "localhost/app:2"
    it.decide()
    assert any(isinstance(a, KillContainer) for a in it.decision.actions)


def test_a_transition_time_changes_with_its_status_only() -> None:
    it = world(make_pod("a"))
    it.run(5)
    before = {c.type: c.last_transition_time.seconds for c in it.pod.status.conditions}
    it.run(1000)
    it.decide()
    after = {c.type: c.last_transition_time.seconds for c in it.pod.status.conditions}
    assert before == after


@pytest.mark.parametrize("seed", SEEDS)
def test_under_random_failures_one_instance_runs_and_all_converges(seed: int) -> None:
    randomly = random.Random(seed)
    names = [f"c{i}" for i in range(randomly.randint(1, 4))]
    init = tuple(f"i{i}" for i in range(randomly.randint(0, 2)))
    it = world(
        make_pod(*names, init=init, policy=randomly.choice(["Always", "OnFailure"])),
        seed,
        image_fails=randomly.uniform(0, 0.7),
        create_fails=randomly.uniform(0, 0.7),
        sandbox_fails=randomly.uniform(0, 0.7),
        exits_within_s=(0.1, randomly.choice([1.0, 30.0, 1000.0])),
        exit_codes=(0, 1, 137),
        ignores_term=randomly.uniform(0, 1),
    )
    it.run(randomly.uniform(10, 5000))
    # The weather clears: init containers end well, the others run on.
    it.chances = Chances()
    it.queue = [entry for entry in it.queue if "exit" not in entry[2].__qualname__]
    for _ in range(len(init) + 1):
        it.run(700)
        for container in it.running():
            if container.name in init:
                it.exit(container.id, 0)
    it.run(700)
    ended_well = {c.name for c in it.containers.values() if c.exit_code == 0}
    finished = ended_well if it.pod.spec.restart_policy == "OnFailure" else set()
    assert {c.name for c in it.running()} | finished >= set(names), it.pod.status
    it.terminating_since_s = it.now_s
    it.run(60)
    assert it.deleted
    assert not it.containers


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pod_deleted_at_any_moment_leaves_nothing(seed: int) -> None:
    randomly = random.Random(seed)
    it = world(
        make_pod("a", "b", init=("i",), grace_s=3),
        seed,
        image_fails=0.3,
        create_fails=0.3,
        exits_within_s=(0.1, 5.0),
        exit_codes=(0, 1),
        ignores_term=0.5,
    )
    it.run(randomly.uniform(0, 30))
    it.terminating_since_s = it.now_s
    it.run(30)
    assert it.deleted
    assert not it.containers
    assert it.address is None


def test_a_pod_is_forgotten_while_its_image_is_still_pulled() -> None:
    it = world(make_pod("a"))
    it.pulls_end = False
    it.run(5)
    assert list(it.in_flight) == ["image/a"]
    it.terminating_since_s = it.now_s
    it.run(5)
    assert it.deleted
