"""What leaves when: after its write and all earlier ones, behind the state that it continues."""

from __future__ import annotations

from podraft.server.raft.effects import Write
from podraft.server.raft.entries import HardState, Membership, SnapshotMark
from podraft.server.raft.messages import Appended, Message, Vote
from podraft.server.replication.core.effects import Install, MemberEffect, Send
from podraft.server.replication.core.persisting import Persisting

NEWER = HardState(2, 1)


def write(sequence: int, snapshot: SnapshotMark | None = None) -> Write:
    return Write(sequence, snapshot, None, ())


def mark(index: int) -> SnapshotMark:
    return SnapshotMark(index, 1, Membership.of((1, 2, 3)))


def vote(to: int) -> Message:
    return Vote(1, to, 2, granted=True, pre=False)


class Disk:
    def __init__(self) -> None:
        self.effects: list[MemberEffect] = []
        self.persisting = Persisting(HardState(1, 0), emit=self.effects.append)

    def taken(self) -> list[MemberEffect]:
        effects = self.effects.copy()
        self.effects.clear()
        return effects


def test_a_message_waits_for_its_write_and_all_earlier_ones() -> None:
    disk = Disk()
    disk.persisting.write(write(1))
    disk.persisting.send_after((vote(2),))
    disk.persisting.write(write(2))
    disk.persisting.send_after((vote(3),))
    assert disk.taken() == [write(1), write(2)]
    disk.persisting.durable(1)
    assert disk.taken() == [Send([vote(2)])]
    disk.persisting.durable(2)
    assert disk.taken() == [Send([vote(3)])]
    disk.persisting.durable(2)
    assert not disk.taken()


def test_a_message_without_a_write_waits_for_what_is_under_way() -> None:
    disk = Disk()
    disk.persisting.send_after((vote(2),))
    assert disk.taken() == [Send((vote(2),))]
    disk.persisting.write(write(1))
    disk.persisting.send_after((vote(3),))
    assert disk.taken() == [write(1)]
    disk.persisting.durable(1)
    assert disk.taken() == [Send([vote(3)])]


def test_an_acknowledgement_that_a_later_one_includes_is_not_sent() -> None:
    disk = Disk()
    for sequence in (1, 2):
        disk.persisting.write(write(sequence))
        disk.persisting.send_after((Appended(1, 2, 1, sequence),))
    disk.taken()
    disk.persisting.durable(2)
    assert disk.taken() == [Send([Appended(1, 2, 1, 2)])]


def test_writes_are_held_until_the_state_is_what_they_continue() -> None:
    disk = Disk()
    disk.persisting.write(write(1, mark(50)))
    disk.persisting.write(write(2))
    disk.persisting.send_after((vote(2),))
    assert disk.taken() == [Install(mark(50))]
    assert disk.persisting.must_hold()
    assert disk.persisting.installed(mark(50))
    assert disk.taken() == [write(1, mark(50)), write(2)]
    assert not disk.persisting.must_hold()
    disk.persisting.durable(2)
    assert disk.taken() == [Send([vote(2)])]


def test_a_later_snapshot_is_installed_before_anything_is_written() -> None:
    disk = Disk()
    disk.persisting.write(write(1, mark(50)))
    disk.persisting.write(write(2, mark(70)))
    assert disk.taken() == [Install(mark(50))]
    assert not disk.persisting.installed(mark(50))
    assert disk.taken() == [Install(mark(70))]
    assert disk.persisting.installed(mark(70))
    assert disk.taken() == [write(1, mark(50)), write(2, mark(70))]
    assert not disk.persisting.installed(mark(70))
    assert not disk.taken()


def test_the_newest_hard_state_is_known_also_while_it_is_held() -> None:
    disk = Disk()
    disk.persisting.write(Write(1, mark(50), NEWER, ()))
    disk.persisting.write(write(2))
    assert disk.persisting.hard_state == NEWER
