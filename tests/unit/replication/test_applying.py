"""Entries reach the state machine in order, each once, in portions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podraft.server.raft.entries import Entry, EntryKind
from podraft.server.replication.core.applying import Applying
from podraft.server.replication.core.effects import After, Apply, MemberEffect
from podraft.server.replication.core.events import ApplyMore, Command
from podraft.server.state.datastore import Transaction


@dataclass(frozen=True, slots=True)
class Wanted:
    payload: bytes
    transaction: Transaction


MINE = Wanted(b"payload", Transaction((), ()))


def entries(indexes: Iterable[int]) -> tuple[Entry, ...]:
    return tuple(Entry(index, 1, EntryKind.COMMAND, b"payload", index) for index in indexes)


class Machine:
    """A state machine that stands at 10 and takes three entries at a time; 12 is our own."""

    def __init__(self) -> None:
        self.effects: list[MemberEffect] = []
        self.applying = Applying(10, 3, emit=self.effects.append, own=self._own)

    def _own(self, entry: Entry) -> Command | None:
        return MINE if entry.index == 12 else None

    def applied(self) -> list[int]:
        """Return what was given to it since this was asked."""
        given = [
            entry.index
            for effect in self.effects
            if isinstance(effect, Apply)
            for entry in effect.entries
        ]
        self.effects[:] = [effect for effect in self.effects if isinstance(effect, After)]
        return given

    def turn(self) -> None:
        self.effects.remove(After(0.0, ApplyMore()))
        self.applying.go_on()


def test_the_others_have_their_turn_between_two_portions() -> None:
    machine = Machine()
    machine.applying.committed(entries(range(11, 18)))
    assert machine.applied() == [11, 12, 13]
    assert machine.applying.portion_applied(full=False) == (13, 3 * len(b"payload"))
    assert machine.applied() == []
    machine.turn()
    assert machine.applied() == [14, 15, 16]
    machine.applying.committed(entries([18]))
    assert machine.applied() == [], "one portion at a time"
    assert machine.applying.portion_applied(full=False) == (16, 3 * len(b"payload"))
    machine.turn()
    assert machine.applied() == [17, 18]
    assert machine.applying.portion_applied(full=False) == (18, 2 * len(b"payload"))
    assert not machine.effects


def test_who_proposed_an_entry_gets_its_outcome() -> None:
    machine = Machine()
    machine.applying.committed(entries([11, 12]))
    (effect,) = machine.effects
    assert isinstance(effect, Apply)
    assert effect.commands == [None, MINE]


def test_a_full_state_machine_gets_nothing_until_it_has_room() -> None:
    machine = Machine()
    machine.applying.committed(entries([11]))
    machine.applying.portion_applied(full=True)
    machine.applying.committed(entries([12]))
    assert machine.applied() == [11]
    machine.applying.has_room(full=True)
    assert not machine.effects
    machine.applying.has_room(full=False)
    machine.turn()
    assert machine.applied() == [12]


def test_what_a_snapshot_includes_is_not_applied_any_more() -> None:
    machine = Machine()
    machine.applying.committed(entries(range(11, 18)))
    machine.applying.portion_applied(full=False)
    machine.applied()
    machine.applying.replace()
    machine.turn()
    machine.applying.committed(entries([51]))
    assert machine.applied() == [], "the state is being replaced"
    machine.applying.replaced(50)
    machine.turn()
    assert machine.applied() == [51]
    assert machine.applying.portion_applied(full=False)[0] == 51
