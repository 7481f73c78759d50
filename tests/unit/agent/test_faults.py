"""What goes wrong for ever is told ever more rarely, and its trace once."""

from __future__ import annotations

import logging

import pytest
from google.protobuf.message import Message

from podraft.agent.podman.client import PodmanError, PodmanUnavailableError
from podraft.agent.pods.reports.events import PodEvents
from podraft.agent.pods.reports.faults import Faults, failed
from unit.agent.pod_world import make_pod


class Told:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def record(self, regarding: Message, type_: str, reason: str, note: str) -> None:
        self.notes.append(note)


def _faults() -> tuple[Faults, Told]:
    told = Told()
    events = PodEvents(told)
    events.about(make_pod("main"))
    return Faults(events), told


def test_a_fault_that_stays_is_traced_once_and_tried_ever_more_slowly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults, told = _faults()
    with caplog.at_level(logging.WARNING):
        pauses = [faults.happened("ns/a", "start/main", ValueError("\0" * 9999)) for _ in range(9)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (1.0, 30.0)
    assert [bool(record.exc_info) for record in caplog.records] == [True] + [False] * 8
    assert all(len(record.getMessage()) < 1200 for record in caplog.records)
    assert told.notes[0].startswith("start/main: ValueError: ")
    faults.over("start/main")
    assert faults.happened("ns/a", "start/main", ValueError()) == 1.0


def test_what_the_machine_refuses_is_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    faults, told = _faults()
    with caplog.at_level(logging.WARNING):
        for error in (PodmanError(500, "no"), OSError(28, "disk full")):
            faults.happened("ns/a", "remove/1", error)
    assert not any(record.exc_info for record in caplog.records)
    assert told.notes == []


def test_podman_that_is_away_is_asked_again_soon() -> None:
    faults, _ = _faults()
    assert {faults.happened("a", "b", PodmanUnavailableError("")) for _ in range(9)} == {1.0}


def test_a_message_that_a_status_takes_is_bounded() -> None:
    first = failed(None, "CreateContainerError", "x" * 1_000_000)
    assert len(first.message) == 1024
    assert failed(first, "CreateContainerError", "").count == 2
    assert failed(first, "Other", "").count == 1
