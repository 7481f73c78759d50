"""Results of short commands."""

from __future__ import annotations

from dataclasses import dataclass

OUTPUT_BYTES_MAX = 10 << 10


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a command; the output is cut at 10 KiB."""

    exit_code: int
    output: str


class CommandTimeoutError(Exception):
    """The command did not end in time and was killed."""
