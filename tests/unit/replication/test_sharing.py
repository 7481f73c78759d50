"""Many at once, or one alone."""

from __future__ import annotations

import threading

from podraft.server.store.history.sharing import SharedUse
from support.waiting import eventually


def test_users_are_together_and_a_change_is_alone_and_first() -> None:
    use = SharedUse()
    order: list[str] = []
    release = threading.Event()

    def stay() -> None:
        with use.together():
            order.append("in")
            release.wait(5)
            order.append("out")

    def change() -> None:
        with use.alone():
            order.append("changed")

    def come_later() -> None:
        with use.together():
            order.append("later")

    threads = [threading.Thread(target=stay) for _ in range(2)]
    for thread in threads:
        thread.start()
    eventually(lambda: order == ["in", "in"])
    changing = threading.Thread(target=change)
    changing.start()
    eventually(lambda: use._alone)
    coming = threading.Thread(target=come_later)
    coming.start()
    release.set()
    for thread in (*threads, changing, coming):
        thread.join(5)
    assert order == ["in", "in", "out", "out", "changed", "later"]
