"""What a diagnosis consists of: what was asked, and what follows from it.

Owns: the records, and how durations and sizes are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from podraft.api.cluster.v1 import diagnosis_pb2, member_pb2
from podraft.api.core.v1 import node_pb2


class Severity(IntEnum):
    """How bad it is; also the command's exit code."""

    OK = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: of whom, what was looked at, what was found, what to do about it."""

    severity: Severity
    subject: str
    check: str
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """A server that was asked.

    ``clock_ahead_s``: how far its clock is ahead of the asking machine's, give or take
    ``clock_error_s``.
    """

    address: str
    diagnosis: diagnosis_pb2.Diagnosis
    clock_ahead_s: float
    clock_error_s: float

    @property
    def subject(self) -> str:
        """How it is called in findings."""
        return f"server {self.diagnosis.name}"


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was asked, of one cluster."""

    now_s: float
    client_version: str
    # What the first server that answered knows of all; None: nobody answered.
    listing: member_pb2.ListMembersResponse | None
    answered: Sequence[Answered]
    # Addresses that were tried in vain, and why.
    unanswered: Sequence[tuple[str, str]]
    # None: they could not be read, for the reason in ``nodes_problem``.
    nodes: Sequence[node_pb2.Node] | None
    nodes_problem: str = ""


def duration(seconds: float) -> str:
    """Return a duration for readers."""
    size = abs(seconds)
    if size < 0.001:
        return f"{seconds * 1e6:.0f} us" if seconds else "0 ms"
    if size < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s"


def size(count: float) -> str:
    """Return a number of bytes for readers."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"


def days(seconds: float) -> str:
    """Return a long duration for readers."""
    whole = int(abs(seconds) // 86400)
    if whole < 2:
        return f"{abs(seconds) / 3600:.0f} hours"
    return f"{whole} days"
