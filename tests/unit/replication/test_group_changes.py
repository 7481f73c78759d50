"""How a change of the group ends, and who is to lead next."""

from __future__ import annotations

import itertools

from podraft.server.raft.core import Event, Received
from podraft.server.raft.entries import NOBODY, Entry, EntryKind, Membership, SnapshotMark
from podraft.server.raft.events import Describe, Persisted, Promote, Refusal
from podraft.server.raft.member import Role
from podraft.server.raft.messages import Append, Appended, InstallSnapshot
from podraft.server.raft.status import Status
from podraft.server.replication.core.effects import MemberEffect, Settled
from podraft.server.replication.core.group_changes import (
    ChangeRefusedError,
    GroupChanges,
    choose_heir,
)
from support.raft_core import THREE, elect, member

CHANGE = Describe(b"described")


class Leader:
    """Member 1, which leads members 2 and 3 and has committed its first entry."""

    def __init__(self) -> None:
        self.core = member()
        effects = elect(self.core)
        assert effects.write is not None
        self.effects: list[MemberEffect] = []
        self.changes = GroupChanges(
            1, self.core, itertools.count(1), emit=self.effects.append, step=self.step
        )
        self.step(Persisted(effects.write.sequence))
        self.heard_of(1)

    def step(self, event: Event) -> None:
        before = self.core.membership
        effects = self.core.step(event)
        for refused in effects.refused:
            self.changes.refused(refused.id, refused.reason)
        if self.core.membership is not before:
            self.changes.membership_changed()
        if effects.write is not None:
            self.step(Persisted(effects.write.sequence))

    def heard_of(self, index: int) -> None:
        """Let the others have everything up to ``index``."""
        for follower in (2, 3):
            self.step(Received(Appended(follower, 1, self.core.leadership.term, index)))

    def depose(self, *entries: Entry) -> None:
        """Let member 2 lead in the next term, with these entries behind the first."""
        term = self.core.leadership.term
        self.step(Received(Append(2, 1, term + 1, 1, term, entries, 1)))

    def ends(self) -> list[tuple[object, Refusal | None]]:
        ends: list[tuple[object, Refusal | None]] = []
        for effect in self.effects:
            assert isinstance(effect, Settled)
            error = effect.error
            assert error is None or isinstance(error, ChangeRefusedError)
            ends.append((effect.waiter, error.reason if error is not None else None))
        return ends


def test_a_change_is_done_when_it_is_committed() -> None:
    leader = Leader()
    leader.changes.change("ticket", CHANGE)
    assert leader.core.membership.in_force.context == b"described"
    assert not leader.ends()
    leader.heard_of(2)
    assert leader.ends() == [("ticket", None)]


def test_what_the_consensus_refuses_ends_at_once() -> None:
    leader = Leader()
    leader.changes.change("ticket", Promote(9))
    leader.changes.change("pending", CHANGE)
    leader.changes.change("second", Describe(b"other"))
    assert leader.ends() == [
        ("ticket", Refusal.NOT_APPLICABLE),
        ("second", Refusal.CHANGE_PENDING),
    ]
    leader.heard_of(2)
    assert leader.ends()[2:] == [("pending", None)]


def test_a_change_whose_entry_is_replaced_did_not_happen() -> None:
    leader = Leader()
    leader.changes.change("ticket", CHANGE)
    leader.depose(Entry(2, leader.core.leadership.term + 1, EntryKind.COMMAND, b"x"))
    assert leader.ends() == [("ticket", Refusal.DEPOSED)]


def test_a_change_whose_place_a_snapshot_takes_is_neither_done_nor_undone() -> None:
    leader = Leader()
    leader.changes.change("ticket", CHANGE)
    mark = SnapshotMark(50, leader.core.leadership.term + 1, THREE)
    leader.step(Received(InstallSnapshot(2, 1, mark.term, mark)))
    assert leader.core.membership.in_force == THREE
    assert not leader.ends()


def test_who_gave_up_is_not_told() -> None:
    leader = Leader()
    leader.changes.change("ticket", CHANGE)
    leader.changes.abandon("ticket")
    leader.heard_of(2)
    assert not leader.ends()


def test_a_transfer_ends_when_somebody_else_leads() -> None:
    leader = Leader()
    leader.changes.transfer("ticket", 2)
    leader.changes.led_by(NOBODY)
    leader.changes.led_by(1)
    assert not leader.ends()
    leader.changes.led_by(2)
    leader.changes.led_by(3)
    assert leader.ends() == [("ticket", None)]
    other = Leader()
    other.changes.transfer("ticket", 2)
    other.changes.led_by(3)
    assert other.ends() == [("ticket", Refusal.TRANSFER_FAILED)]


def test_only_a_leader_hands_over_and_only_to_who_may_lead() -> None:
    leader = Leader()
    leader.changes.hand_over("nobody", ())
    leader.changes.hand_over("no voter", (1, 9))
    assert leader.ends() == [
        ("nobody", Refusal.NOT_APPLICABLE),
        ("no voter", Refusal.NOT_APPLICABLE),
    ]
    leader.changes.hand_over("heir", (9, 3))
    assert len(leader.ends()) == 2
    leader.changes.led_by(3)
    assert leader.ends()[2:] == [("heir", None)]
    leader.depose()
    leader.changes.hand_over("follower", (2, 3))
    assert leader.ends()[3:] == [("follower", Refusal.NOT_LEADER)]


def test_the_heir_is_the_reachable_voter_that_lacks_least() -> None:
    voters = Membership.of((1, 2, 3, 4)).voters
    status = Status(1, Role.LEADER, 1, 1, 9, 9, 9, {2: 7, 3: 9, 4: 8, 5: 9})
    assert choose_heir(status, voters, (2, 4)) == 4
    assert choose_heir(status, voters, (1, 2, 3, 4, 5)) == 3
    assert choose_heir(status, voters, (1, 5)) == NOBODY


def test_when_the_member_stops_everybody_is_told() -> None:
    leader = Leader()
    leader.changes.change("change", CHANGE)
    leader.changes.transfer("transfer", 2)
    error = ConnectionError("closed")
    leader.changes.fail(error)
    assert leader.effects == [Settled("change", error), Settled("transfer", error)]
