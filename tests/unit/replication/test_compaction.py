"""How much of the log is kept, and for whom."""

from __future__ import annotations

from dataclasses import replace

from podraft.server.replication.core.compaction import Compaction
from podraft.server.replication.member_options import MemberOptions

OPTIONS = replace(MemberOptions(), kept_entries=100, kept_bytes=1_000)


def test_so_many_entries_are_kept_for_followers_that_are_behind() -> None:
    compaction = Compaction(0, OPTIONS)
    assert compaction.advance(500, 500) == 400
    assert compaction.start == 400


def test_what_the_state_machine_does_not_hold_durably_is_never_forgotten() -> None:
    compaction = Compaction(0, OPTIONS)
    assert compaction.advance(50, 500) == 50


def test_it_is_not_done_for_a_few_entries() -> None:
    compaction = Compaction(0, OPTIONS)
    assert compaction.advance(111, 111) is None
    assert compaction.start == 0
    assert compaction.advance(112, 112) == 12
    assert compaction.advance(112, 112) is None
    assert Compaction(7, replace(OPTIONS, kept_entries=0)).advance(7, 7) is None
    assert Compaction(7, replace(OPTIONS, kept_entries=0)).advance(8, 8) == 8


def test_so_many_bytes_are_kept_at_most() -> None:
    compaction = Compaction(0, OPTIONS)
    for index in (20, 40, 60):
        compaction.applied(index, 600)
    # With the last two portions it would be too much.
    assert compaction.advance(60, 60) == 40
    compaction.applied(80, 400)
    assert compaction.advance(80, 80) is None
    compaction.applied(90, 1)
    assert compaction.advance(90, 90) == 60


def test_a_snapshot_begins_anew() -> None:
    compaction = Compaction(0, OPTIONS)
    compaction.applied(20, 5_000)
    compaction.restart(200)
    assert compaction.start == 200
    compaction.applied(220, 900)
    assert compaction.advance(220, 220) is None


def test_a_pin_keeps_what_follows_it_in_bounds() -> None:
    compaction = Compaction(0, OPTIONS)
    compaction.pin(2, 150)
    compaction.pin(3, 300)
    assert compaction.advance(1_000, 1_000) == 150
    compaction.unpin(2)
    assert compaction.advance(1_000, 1_000) == 300
    # Ten times as much as without a pin, not more.
    assert compaction.advance(2_000, 2_000) == 1_000
    compaction.unpin(3)
    compaction.unpin(3)
    assert compaction.advance(2_000, 2_000) == 1_900
