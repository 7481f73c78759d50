"""How a member's parts work together: a follower asks, is refused, falls behind, stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from podraft.server.raft.core import Received, Restored
from podraft.server.raft.effects import Write
from podraft.server.raft.entries import Membership, SnapshotMark
from podraft.server.raft.events import Refusal
from podraft.server.raft.messages import (
    AskRead,
    Declined,
    Forward,
    Heartbeat,
    InstallSnapshot,
    Message,
)
from podraft.server.replication.core.effects import Gather, Install, Send, Settled, Unanswered
from podraft.server.replication.core.events import (
    Ended,
    Installed,
    MemberEvent,
    ReadersCame,
    Submitted,
    Ticked,
    Undelivered,
)
from podraft.server.replication.core.member_core import MemberCore
from podraft.server.replication.core.own_proposals import BatchBounds
from podraft.server.replication.faults import OutcomeUnknownError
from podraft.server.replication.member_options import MemberOptions
from podraft.server.state.datastore import Transaction

OPTIONS = replace(MemberOptions(), answer_s=5.0)
THREE = Membership.of((1, 2, 3))
KindT = TypeVar("KindT")


@dataclass(frozen=True, slots=True)
class Wanted:
    payload: bytes
    transaction: Transaction


WANTED = Wanted(b"payload", Transaction((), ()))


class Follower:
    """Member 1, which follows member 2; gathering ends at once."""

    def __init__(self) -> None:
        mark = SnapshotMark(0, 0, THREE)
        self.core = MemberCore(1, Restored(mark), OPTIONS, BatchBounds(10, 1_000), Random(1), 1)
        self.effects: list[object] = []
        self.tell(Received(Heartbeat(2, 1, 1, 0, 1)))
        self.effects.clear()

    def tell(self, event: MemberEvent, now: float = 0.0) -> None:
        for effect in self.core.handle(event, now):
            self.effects.append(effect)
            if isinstance(effect, Gather):
                self.tell(effect.event, now)

    def found(self, kind: type[KindT]) -> list[KindT]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def sent(self, kind: type[KindT]) -> Sequence[KindT]:
        sent: list[Message] = [message for send in self.found(Send) for message in send.messages]
        return [message for message in sent if isinstance(message, kind)]


def test_a_refused_question_is_put_again_with_the_next_tick() -> None:
    follower = Follower()
    follower.tell(ReadersCame("readers"))
    (asked,) = follower.sent(AskRead)
    follower.tell(Received(Declined(2, 1, asked.ids, Refusal.NOT_LEADER)))
    assert len(follower.sent(AskRead)) == 1
    follower.tell(Ticked(), 0.05)
    assert len(follower.sent(AskRead)) == 2
    follower.tell(Ticked(), 5.0)
    assert [settled.waiter for settled in follower.found(Settled)] == ["readers"]


def test_what_did_not_leave_is_offered_and_asked_again_with_the_next_tick() -> None:
    follower = Follower()
    follower.tell(Submitted((WANTED,)))
    follower.tell(ReadersCame("readers"))
    (forward,), (question,) = follower.sent(Forward), follower.sent(AskRead)
    follower.tell(Undelivered(forward))
    follower.tell(Undelivered(question))
    assert (len(follower.sent(Forward)), len(follower.sent(AskRead))) == (1, 1)
    follower.tell(Ticked(), 0.05)
    assert (len(follower.sent(Forward)), len(follower.sent(AskRead))) == (2, 2)
    assert follower.core.waiting == 1


def test_a_snapshot_is_installed_before_the_log_begins_behind_it() -> None:
    follower = Follower()
    follower.tell(Submitted((WANTED,)))
    mark = SnapshotMark(50, 1, THREE)
    follower.tell(Received(InstallSnapshot(2, 1, 1, mark)))
    assert follower.found(Install) == [Install(mark)]
    assert follower.core.installing
    assert not [write for write in follower.found(Write) if write.snapshot is not None]
    (unanswered,) = follower.found(Unanswered)
    assert unanswered.command is WANTED
    assert isinstance(unanswered.error, OutcomeUnknownError)
    assert follower.core.mark_at(50) is None, "the state is not there yet"
    follower.tell(Installed(mark))
    assert [write.snapshot for write in follower.found(Write)][-1] == mark
    assert follower.core.mark_at(50) == mark


def test_when_the_member_stops_everybody_is_told() -> None:
    follower = Follower()
    follower.tell(Submitted((WANTED,)))
    follower.tell(ReadersCame("readers"))
    error = ConnectionError("closed")
    follower.tell(Ended(error))
    assert [unanswered.command for unanswered in follower.found(Unanswered)] == [WANTED]
    assert follower.found(Settled) == [Settled("readers", error)]
    assert follower.core.waiting == follower.core.waiting_bytes == 0
