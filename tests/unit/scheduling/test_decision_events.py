"""Which of the scheduler's decisions users are told of as Events."""

from __future__ import annotations

from typing import Literal

from google.protobuf.message import Message

from podraft.api.core.v1.scheduling_pb2 import SchedulingRecord
from podraft.server.scheduling.core.demand import PendingPod, Profiles
from podraft.server.scheduling.core.schedule import Decision
from podraft.server.scheduling.events import PER_SECOND_MAX, DecisionEvents
from support.scheduling.clusters import make_pod

PROFILE = Profiles().profile(make_pod("x").spec)


class Told:
    """Remembers what was recorded."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def record(
        self, regarding: Message, type_: Literal["Normal", "Warning"], reason: str, note: str
    ) -> None:
        self.events.append((type_, reason, note))


def decision(node: str | None, message: str = "") -> Decision:
    pod = PendingPod("default", "web", "uid-1", "", PROFILE)
    return Decision(pod, node, SchedulingRecord(message=message))


def test_a_binding_and_a_failure_are_told_with_kubernetes_reasons() -> None:
    told = Told()
    events = DecisionEvents(told)
    events.tell(decision("n1"), 0.0)
    events.tell(decision(None, "0/1 nodes are available"), 0.1)
    assert told.events == [
        ("Normal", "Scheduled", "Successfully assigned default/web to n1"),
        ("Warning", "FailedScheduling", "0/1 nodes are available"),
    ]


def test_of_a_flood_only_the_first_of_each_second_are_told() -> None:
    told = Told()
    events = DecisionEvents(told)
    for index in range(20 * PER_SECOND_MAX):
        events.tell(decision("n1"), index / (10 * PER_SECOND_MAX))
    assert len(told.events) == 2 * PER_SECOND_MAX
