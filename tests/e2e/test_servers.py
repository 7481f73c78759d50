"""Three servers: any of them may go, and neither the application nor its operator is held up."""

from __future__ import annotations

from functools import partial

import pytest

from support.guest import Guest
from support.waiting import eventually

pytestmark = [pytest.mark.root, pytest.mark.podman]


def _available(guest: Guest, replicas: int) -> bool:
    (web,) = guest.objects("deployment/web", "-n", "guestbook")
    return bool(web["status"].get("availableReplicas", 0) == replicas)


def _whole(guest: Guest) -> bool:
    """Whether every server takes part: one leads, it reaches the others, all of them vote."""
    listed = guest.podraft("member", "list", check=False).stdout
    return all(listed.count(word) == number for word, number in (("voter", 2), (" yes ", 3)))


def test_work_goes_on_without_any_one_of_the_servers(group_guest: Guest) -> None:
    guest = group_guest
    guest.answers_from(3, "1")
    before, restarts = guest.containers(), guest.restart_counts()

    with guest.under_load() as load:
        for replicas, name in enumerate(guest.cluster.servers, start=4):
            guest.kill_process(name)
            # API, controllers, scheduler and agent find their way to the servers that are left.
            guest.podraft("scale", "deployment/web", "-n", "guestbook", f"--replicas={replicas}")
            eventually(
                partial(_available, guest, replicas),
                within_s=60,
                describe=guest.state,
            )
            guest.cluster.start_servers()
            eventually(lambda: _whole(guest), within_s=60)

    assert load.failures == []
    assert before.keys() <= guest.containers().keys()
    assert guest.restart_counts().items() >= restarts.items()
