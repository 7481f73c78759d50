"""Rolling updates of the guestbook while people use it."""

from __future__ import annotations

from functools import partial

import pytest

from local_cluster import guestbook
from support.guest import Guest
from support.waiting import eventually

pytestmark = [pytest.mark.root, pytest.mark.podman]


def _release(guest: Guest, version: str) -> None:
    manifest = guestbook.MANIFEST.read_text().replace("guestbook-web:1", f"guestbook-web:{version}")
    guest.podraft("apply", "-f", "-", stdin=manifest)


def _waits(guest: Guest, version: str) -> bool:
    """Whether a pod of that version has a container that cannot run."""
    for pod in guest.pods("web"):
        if pod["spec"]["containers"][0]["image"].endswith(version):
            for status in pod["status"].get("containerStatuses", []):
                reason = status["state"].get("waiting", {}).get("reason", "ContainerCreating")
                return str(reason) != "ContainerCreating"
    return False


def _await_rollout(guest: Guest) -> None:
    guest.podraft("rollout", "status", "deployment/web", "-n", "guestbook", "--timeout=90s")


def test_all_pods_answer_in_turn_and_the_store_counts(guest: Guest) -> None:
    guest.answers_from(3, "1")

    counts = [int(guest.call().rpartition(" ")[2]) for _ in range(5)]

    assert counts == list(range(counts[0], counts[0] + 5))


def test_update_and_undo_under_load_lose_no_call(guest: Guest) -> None:
    guest.answers_from(3, "1")
    with guest.under_load() as load:
        _release(guest, "2")
        _await_rollout(guest)
        guest.answers_from(3, "2")
        guest.podraft("rollout", "undo", "deployment/web", "-n", "guestbook")
        _await_rollout(guest)
        guest.answers_from(3, "1")

    assert load.failures == []
    assert {"1", "2"} <= {answer.split("version ")[1][0] for answer in load.answers}


def test_broken_image_never_takes_down_the_old_pods(guest: Guest) -> None:
    old = guest.answers_from(3, "1")
    with guest.under_load() as load:
        for version in ("broken", "does-not-exist"):
            _release(guest, version)
            eventually(partial(_waits, guest, version), within_s=60)
            assert guest.answers_from(3, "1") == old
        reasons = guest.podraft("why", "deployment/web", "-n", "guestbook").stdout
        guest.podraft("rollout", "undo", "deployment/web", "-n", "guestbook", "--to-revision=1")
        _await_rollout(guest)

    assert load.failures == []
    assert "does-not-exist" in reasons


def test_scaling_changes_the_number_of_pods_that_answer(guest: Guest) -> None:
    guest.podraft("scale", "deployment/web", "-n", "guestbook", "--replicas=5")
    guest.answers_from(5, "1")

    guest.podraft("scale", "deployment/web", "-n", "guestbook", "--replicas=1")

    guest.answers_from(1, "1")


def test_logs_and_exec_reach_the_container(guest: Guest) -> None:
    pod = guest.pods("store")[0]["metadata"]["name"]
    guest.podraft(
        "exec", pod, "-n", "guestbook", "--", "sh", "-c", "echo seen by logs >/proc/1/fd/1"
    )

    eventually(lambda: "seen by logs" in guest.podraft("logs", pod, "-n", "guestbook").stdout)
    failed = guest.podraft("exec", pod, "-n", "guestbook", "--", "sh", "-c", "exit 7", check=False)
    assert failed.returncode == 7
