"""kill -9 of everything: nothing is lost, nothing restarts without a reason, nothing is left."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time

import pytest

from support.guest import Guest
from support.waiting import eventually

pytestmark = [pytest.mark.root, pytest.mark.podman]

_SEED = int(os.environ.get("PODRAFT_TEST_SEED", str(random.SystemRandom().randrange(1 << 32))))


def _ready(guest: Guest, app: str, count: int) -> bool:
    with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
        pods = guest.pods(app)
        ready = [
            pod
            for pod in pods
            if any(
                c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"]
            )
        ]
        return len(pods) == len(ready) == count
    return False


def _converged(guest: Guest) -> bool:
    return _ready(guest, "web", 3) and _ready(guest, "store", 1)


def test_containers_outlive_server_agent_and_podman_service(guest: Guest) -> None:
    guest.answers_from(3, "1")
    before, restarts = guest.containers(), guest.restart_counts()

    with guest.under_load() as load:
        guest.kill_process("server")
        guest.kill_process("agent")
        eventually(lambda: guest.cluster.start_server())
        eventually(lambda: guest.cluster.start_agent())
        guest.kill_podman_service()
        eventually(lambda: _converged(guest), within_s=60, describe=guest.state)
        eventually(
            lambda: guest.containers().keys() == before.keys(),
            within_s=30,
            describe=lambda: (sorted(before), sorted(guest.containers()), guest.state()),
        )

    assert load.failures == []
    assert guest.restart_counts() == restarts


def test_killed_container_is_started_again_and_counted_once(guest: Guest) -> None:
    guest.answers_from(3, "1")
    restarts = guest.restart_counts()
    victim = guest.pods("web")[0]["metadata"]["name"]
    container = next(
        one
        for one in guest.containers().values()
        if one["Labels"].get("io.podraft.pod.name") == victim
    )

    os.kill(container["Pid"], signal.SIGKILL)

    eventually(lambda: guest.restart_counts().get(victim) == restarts[victim] + 1, within_s=60)
    eventually(lambda: _converged(guest), within_s=60, describe=guest.state)
    guest.answers_from(3, "1")
    assert guest.restart_counts() == {**restarts, victim: restarts[victim] + 1}


def test_changes_made_while_the_agent_is_down_are_carried_out_later(guest: Guest) -> None:
    guest.kill_process("agent")
    guest.podraft("scale", "deployment/web", "-n", "guestbook", "--replicas=1")
    guest.podraft("scale", "deployment/store", "-n", "guestbook", "--replicas=2")

    guest.cluster.start_agent()

    eventually(lambda: _ready(guest, "web", 1) and _ready(guest, "store", 2), within_s=60)
    eventually(lambda: len(guest.containers()) == 3, within_s=60)


def test_random_kills_under_writes_lose_nothing_and_converge(guest: Guest) -> None:
    print(f"seed {_SEED}")
    chance = random.Random(_SEED)
    acknowledged: list[str] = []
    ends = time.monotonic() + 45
    index = 0
    while time.monotonic() < ends:
        index += 1
        name = f"write-{index}"
        made = guest.podraft(
            "apply", "-f", "-", "-n", "guestbook", check=False, stdin=_config_map(name)
        )
        if made.returncode == 0:
            acknowledged.append(name)
        if chance.random() < 0.35:
            match chance.choice(["server", "agent", "podman", "container"]):
                case "podman":
                    with contextlib.suppress(AssertionError):
                        guest.kill_podman_service()
                case "container":
                    with contextlib.suppress(OSError):
                        victims = sorted(one["Pid"] for one in guest.containers().values())
                        if victims:
                            os.kill(chance.choice(victims), signal.SIGKILL)
                case name:
                    guest.kill_process(name)
                    guest.cluster.start_server()
                    guest.cluster.start_agent()

    eventually(lambda: _converged(guest), within_s=180, describe=guest.state)
    kept = {one["metadata"]["name"] for one in guest.objects("configmaps", "-n", "guestbook")}
    assert set(acknowledged) <= kept, f"seed {_SEED}"
    assert acknowledged, f"seed {_SEED}: no write was acknowledged"
    eventually(lambda: len(guest.containers()) == 4, within_s=60, describe=guest.containers)
    guest.answers_from(3, "1")


def _config_map(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: {name}}}\n"
