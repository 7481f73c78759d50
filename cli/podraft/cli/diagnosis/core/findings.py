"""The parts of a diagnosis: what servers answered, and what follows from it.

Owns: the records, and how durations and sizes are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from podraft.api.cluster.v1 import diagnosis_pb2, member_pb2
from podraft.api.core.v1 import node_pb2


class Severity(IntEnum):
    """The severity of a finding; also the command's exit code."""

    OK = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis: the subject, the check, the result, and what to do about it."""

    severity: Severity
    subject: str
    check: str
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """A server that was asked.

    ``clock_ahead_s`` is how far its clock is ahead of the asking machine's, give or take
    ``clock_error_s``.
    """

    address: str
    diagnosis: diagnosis_pb2.Diagnosis
    clock_ahead_s: float
    clock_error_s: float

    @property
    def subject(self) -> str:
        """The server's name in findings."""
        return f"server {self.diagnosis.name}"


@dataclass(frozen=True, slots=True)
class Examination:
    """All the answers of one cluster."""

    now_s: float
    client_version: str
    # The best answer about all members; None: no server answered.
    listing: member_pb2.ListMembersResponse | None
    answered: Sequence[Answered]
    # The addresses that did not answer, and why.
    unanswered: Sequence[tuple[str, str]]
    # None if the nodes could not be read, for the reason in ``nodes_problem``.
    nodes: Sequence[node_pb2.Node] | None
    nodes_problem: str = ""


def duration(seconds: float) -> str:
    """Return a duration in seconds as readable text."""
    size = abs(seconds)
    if size < 0.001:
        return f"{seconds * 1e6:.0f} us" if seconds else "0 ms"
    if size < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s"


def size(count: float) -> str:
    """Return a number of bytes as readable text."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"


def days(seconds: float) -> str:
    """Return a long duration in seconds as readable text."""
    whole = int(abs(seconds) // 86400)
    if whole < 2:
        return f"{abs(seconds) / 3600:.0f} hours"
    return f"{whole} days"
