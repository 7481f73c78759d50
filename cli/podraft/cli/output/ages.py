"""Durations and times as people read them; the same words as kubectl."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Timestamp(Protocol):
    """`Time` and `MicroTime` of the contract."""

    @property
    def seconds(self) -> int:
        """Seconds since the epoch."""

    @property
    def nanos(self) -> int:
        """The rest, in nanoseconds."""


UNKNOWN = "<unknown>"


def epoch_s(time: Timestamp) -> float:
    """Return a timestamp as seconds since the epoch; 0 when it is not set."""
    return time.seconds + time.nanos / 1e9


def human_duration(duration_s: float) -> str:
    """Return a duration with two units at most: ``4m10s``, ``3h5m``, ``12d``."""
    seconds = int(duration_s)
    if seconds < -1:
        return "<invalid>"
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 10:
        return _pair(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 24 * 8:
        return _pair(hours // 24, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{hours // 24}d"
    if hours < 24 * 365 * 8:
        return _pair(hours // 24 // 365, "y", hours // 24 % 365, "d")
    return f"{hours // 24 // 365}y"


def _pair(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}{second}{second_unit}" if second else f"{first}{first_unit}"


def age(time: Timestamp, now_s: float) -> str:
    """Return how long ago a time was."""
    then_s = epoch_s(time)
    return human_duration(now_s - then_s) if then_s else UNKNOWN


def full(time: Timestamp) -> str:
    """Return a time as ``Mon, 02 Jan 2006 15:04:05 +0000``."""
    then_s = epoch_s(time)
    if not then_s:
        return UNKNOWN
    return datetime.fromtimestamp(then_s, UTC).strftime("%a, %d %b %Y %H:%M:%S %z")
