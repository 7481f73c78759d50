"""Who may read when: not before what was committed when they came is applied here."""

from __future__ import annotations

import itertools
from dataclasses import replace

from podraft.server.raft.entries import NOBODY
from podraft.server.raft.status import Leadership
from podraft.server.replication.core.effects import Gather, MemberEffect, Settled
from podraft.server.replication.core.events import ReadersGathered
from podraft.server.replication.core.read_barriers import ReadBarriers
from podraft.server.replication.faults import NoLeaderError
from podraft.server.replication.member_options import MemberOptions

OPTIONS = replace(MemberOptions(), answer_s=5.0, read_again_s=0.4)


class Asked:
    """A member at index 10 that follows member 2."""

    def __init__(self) -> None:
        self.effects: list[MemberEffect] = []
        self.questions: list[int] = []
        self.reads = ReadBarriers(
            itertools.count(1), OPTIONS, 10, emit=self.effects.append, ask=self.questions.append
        )
        self.reads.led(Leadership(1, 2), 0.0)

    def came(self, readers: str, now: float = 0.0) -> None:
        self.reads.came(readers, now)

    def joinable(self) -> object | None:
        return self.reads.joinable

    def ask(self, now: float = 0.0) -> int:
        """Let what gathers be asked for; return the number of the question."""
        self.effects.remove(Gather(ReadersGathered()))
        self.reads.gathered(now)
        return self.questions[-1]

    def settled(self) -> list[object]:
        return [effect.waiter for effect in self.effects if isinstance(effect, Settled)]


def test_readers_wait_until_what_was_proved_is_applied() -> None:
    asked = Asked()
    asked.came("first")
    asked.reads.ready(asked.ask(), 12)
    assert not asked.settled()
    asked.reads.applied(11)
    assert not asked.settled()
    asked.reads.applied(12)
    assert asked.effects == [Settled("first")]


def test_what_is_applied_already_needs_no_waiting() -> None:
    asked = Asked()
    asked.came("first")
    asked.reads.ready(asked.ask(), 10)
    assert asked.settled() == ["first"]


def test_readers_join_until_the_question_is_asked_and_the_next_one_is_theirs() -> None:
    asked = Asked()
    assert asked.joinable() is None
    asked.came("first")
    assert asked.joinable() == "first"
    number = asked.ask()
    assert asked.joinable() is None
    asked.came("second")
    assert asked.joinable() == "second"
    assert len(asked.questions) == 1, "one question at a time"
    asked.reads.ready(number, 10)
    assert asked.settled() == ["first"]
    asked.reads.ready(asked.ask(), 10)
    assert asked.settled() == ["first", "second"]
    assert asked.reads.rounds == 2


def test_the_answer_to_another_question_says_nothing() -> None:
    asked = Asked()
    asked.came("first")
    number = asked.ask()
    asked.reads.ready(number + 1, 10)
    asked.reads.ready(0, 10)
    assert not asked.settled()
    asked.reads.ready(number, 10)
    asked.reads.ready(number, 10)
    assert asked.settled() == ["first"]


def test_a_lost_question_is_put_again_when_time_has_passed() -> None:
    asked = Asked()
    asked.came("first")
    first = asked.ask(now=1.0)
    asked.reads.resume(1.39)
    assert asked.questions == [first]
    asked.reads.resume(1.4)
    again = asked.questions[-1]
    assert again != first
    asked.reads.ready(again, 10)
    assert asked.settled() == ["first"]


def test_a_refused_question_is_put_again_at_once_when_there_is_another_leader() -> None:
    asked = Asked()
    asked.came("first")
    asked.reads.refused(asked.ask(now=1.0))
    asked.reads.led(Leadership(2, NOBODY), 1.1)
    assert len(asked.questions) == 1
    asked.reads.led(Leadership(2, 3), 1.2)
    assert len(asked.questions) == 2


def test_a_refusal_of_an_earlier_question_changes_nothing() -> None:
    asked = Asked()
    asked.came("first")
    number = asked.ask(now=1.0)
    asked.reads.refused(number - 1)
    asked.reads.resume(1.1)
    assert len(asked.questions) == 1


def test_nobody_waits_longer_than_so_long() -> None:
    asked = Asked()
    asked.came("unanswered", now=0.0)
    asked.ask()
    asked.came("next", now=1.0)
    asked.reads.expire(4.9)
    assert not asked.settled()
    asked.reads.expire(5.0)
    assert asked.settled() == ["unanswered"]
    asked.reads.ready(asked.ask(5.0), 99)
    asked.reads.expire(5.9)
    assert asked.settled() == ["unanswered"]
    asked.reads.expire(6.0)
    assert asked.settled() == ["unanswered", "next"]
    assert all(
        isinstance(effect.error, NoLeaderError)
        for effect in asked.effects
        if isinstance(effect, Settled)
    )
    assert not asked.reads.pending


def test_when_the_member_stops_everybody_is_told() -> None:
    asked = Asked()
    asked.came("proved")
    asked.reads.ready(asked.ask(), 99)
    asked.came("asking")
    asked.ask()
    asked.came("next")
    error = ConnectionError("closed")
    asked.reads.fail(error)
    assert sorted(map(str, asked.settled())) == ["asking", "next", "proved"]
    assert Settled("next", error) in asked.effects
    assert not asked.reads.pending
