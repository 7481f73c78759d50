"""What members know of each other, and what a roster does not allow."""

from __future__ import annotations

import pytest

from podraft.server.replication.core.roster import (
    REMOVED_MAX,
    Peer,
    Roster,
    RosterError,
    decode_roster,
    same_incarnation,
)

A = Peer(7, "a", "h:1", ("h:2", "i:2"), b"x" * 16)
B = Peer(3, "b", "h:3")
TWO = Roster.of((A, B), (9,))


def test_a_roster_survives_its_bytes_and_equal_ones_have_equal_bytes() -> None:
    assert decode_roster(TWO.encode()) == TWO
    assert Roster.of((B, A), (9,)).encode() == TWO.encode()
    assert decode_roster(b"") == Roster()
    with pytest.raises(RosterError):
        decode_roster(b"\x0a\xff")


@pytest.mark.parametrize(
    ("peer", "problem"),
    [
        (Peer(1, "a", "h:9"), "there is a member a already"),
        (Peer(7, "c", "h:9"), "is that of member a"),
        (Peer(1, "c", "h:3"), "the address of member b"),
        (Peer(9, "c", "h:9"), "was a member's that was removed"),
    ],
)
def test_who_joins_takes_nothing_that_is_or_was_anothers(peer: Peer, problem: str) -> None:
    with pytest.raises(RosterError, match=problem):
        TWO.joined(peer)


def test_a_name_comes_back_under_another_number_only() -> None:
    without = TWO.without(A.id)
    assert [peer.name for peer in without.members] == ["b"]
    with pytest.raises(RosterError):
        without.joined(A)
    again = without.joined(Peer(8, "a", A.address))
    assert again.named("a") == Peer(8, "a", A.address)
    assert again.removed == (9, 7)


def test_removed_numbers_are_remembered_within_bounds() -> None:
    roster = TWO
    for number in range(1000, 1000 + REMOVED_MAX + 5):
        roster = roster.joined(Peer(number, "c", "h:9")).without(number)
    assert len(roster.removed) == REMOVED_MAX
    assert roster.removed[-1] == 1000 + REMOVED_MAX + 4


def test_a_member_describes_itself_but_not_as_another_life_of_itself() -> None:
    moved = Peer(7, "a", "elsewhere:1", (), A.incarnation)
    assert TWO.described(moved).get(7) == moved
    told = Peer(3, "b", "h:3", (), b"y" * 16)
    assert TWO.described(told).get(3) == told
    with pytest.raises(RosterError, match="has lost its disk"):
        TWO.described(Peer(7, "a", "h:1", (), b"z" * 16))
    with pytest.raises(RosterError, match="is not known"):
        TWO.described(Peer(7, "b", "h:1", (), A.incarnation))


def test_incarnations_differ_only_from_one_that_is_known() -> None:
    assert same_incarnation(b"", b"x")
    assert same_incarnation(b"x", b"x")
    assert not same_incarnation(b"x", b"y")
    assert not same_incarnation(b"x", b"")


def test_founders_complete_a_roster_but_do_not_bring_back_the_removed() -> None:
    removed = Peer(9, "old", "h:8")
    new = Peer(5, "new", "h:7")
    completed = TWO.completed((A, removed, new))
    assert [peer.id for peer in completed.members] == [3, 5, 7]
