"""What users are told of pods, and what not."""

from __future__ import annotations

from typing import Literal

from google.protobuf.message import Message

from podraft.agent.pods.core.records import ProbeKind
from podraft.agent.pods.reports.events import PodEvents
from podraft.api.core.v1 import pod_pb2, reference_pb2
from unit.agent.pod_world import make_pod


class Told:
    """Remembers what was recorded."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.regarding: list[reference_pb2.ObjectReference] = []

    def record(
        self, regarding: Message, type_: Literal["Normal", "Warning"], reason: str, note: str
    ) -> None:
        assert isinstance(regarding, reference_pb2.ObjectReference)
        self.events.append((type_, reason, note))
        self.regarding.append(regarding)


def about(pod: pod_pb2.Pod) -> tuple[PodEvents, Told]:
    told = Told()
    events = PodEvents(told)
    events.about(pod)
    return events, told


def waiting(reason: str) -> pod_pb2.PodStatus:
    status = pod_pb2.PodStatus()
    status.container_statuses.add(name="main").state.waiting.reason = reason
    return status


def test_an_event_names_pod_and_container() -> None:
    events, told = about(make_pod("main"))
    events.started("main")
    [regarding] = told.regarding
    assert (regarding.kind, regarding.namespace, regarding.name) == ("Pod", "default", "web")
    assert regarding.uid == "uid-1"
    assert regarding.field_path == "spec.containers{main}"


def test_an_image_that_is_here_and_one_that_is_pulled_are_told_apart() -> None:
    pod = make_pod("main")
    events, told = about(pod)
    events.pull(pod.spec.containers[0]).succeeded()
    pull = events.pull(pod.spec.containers[0])
    pull.began()
    pull.succeeded()
    assert [reason for _, reason, _ in told.events] == ["Pulled", "Pulling", "Pulled"]
    assert told.events[0][2].endswith("already present on machine")
    assert told.events[2][2].startswith('Successfully pulled image "localhost/app:1" in ')


def test_back_off_is_told_when_it_begins_and_again_when_it_begins_again() -> None:
    events, told = about(make_pod("main"))
    for reason in (
        "ContainerCreating",
        "CrashLoopBackOff",
        "CrashLoopBackOff",
        "ContainerCreating",
        "CrashLoopBackOff",
        "ImagePullBackOff",
    ):
        events.status(waiting(reason))
    restart = "Back-off restarting failed container main in pod web_default(uid-1)"
    pull = 'Back-off pulling image "localhost/app:1"'
    assert told.events == [("Warning", "BackOff", note) for note in (restart, restart, pull)]


def test_a_kill_says_why() -> None:
    events, told = about(make_pod("main"))
    for reason in ("pod deleted", "liveness probe failed", "image changed"):
        events.stopping("main", reason)
    assert [note for _, _, note in told.events] == [
        "Stopping container main",
        "Container main failed liveness probe, will be restarted",
        "Container main definition changed, will be restarted",
    ]


def test_a_failed_probe_is_told_with_its_error() -> None:
    events, told = about(make_pod("main"))
    events.unhealthy("main", ProbeKind.READINESS, "connection refused")
    expected = ("Warning", "Unhealthy", "Readiness probe failed: connection refused")
    assert told.events == [expected]


def test_nothing_is_told_of_what_has_no_name() -> None:
    events, told = about(pod_pb2.Pod())
    events.started("main")
    assert told.events == []
