"""Events that tell users where pods were placed, and why not.

Owns: which decisions become Events.  Invariant: scheduling comes first: recording never
waits, and in a flood of pods only the first of each second get Events, for an Event is a
write that costs as much as the binding that it reports.  Nothing is lost by that: every
decision's reasons are in the pod's scheduling record.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol

from google.protobuf.message import Message

from podraft.api.core.v1.reference_pb2 import ObjectReference
from podraft.server.scheduling.core.schedule import Decision

PER_SECOND_MAX: Final = 50


class Recorder(Protocol):
    """The method of the event recorder that is needed here."""

    def record(
        self, regarding: Message, type_: Literal["Normal", "Warning"], reason: str, note: str
    ) -> None:
        """Note that something happened to an object; returns at once."""


class DecisionEvents:
    """The recorder of stored decisions as Events, at most `PER_SECOND_MAX` in a second.

    A failure comes here only when its message is to be stored, that is, when it changed.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._second = 0
        self._told = 0

    def tell(self, decision: Decision, now_s: float) -> None:
        """Record one decision that the API has stored."""
        if int(now_s) != self._second:
            self._second, self._told = int(now_s), 0
        self._told += 1
        if self._told > PER_SECOND_MAX:
            return
        pod = decision.pod
        regarding = ObjectReference(
            kind="Pod", api_version="v1", namespace=pod.namespace, name=pod.name, uid=pod.uid
        )
        if decision.node is None:
            note = decision.record.message
            self._recorder.record(regarding, "Warning", "FailedScheduling", note)
        else:
            note = f"Successfully assigned {pod.namespace}/{pod.name} to {decision.node}"
            self._recorder.record(regarding, "Normal", "Scheduled", note)
