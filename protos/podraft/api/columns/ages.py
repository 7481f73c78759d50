"""Durations and times as people read them, in the same words as kubectl."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from podraft.api import times

UNKNOWN = "<unknown>"


def human_duration(duration_s: float) -> str:
    """Return a duration with at most two units: ``4m10s``, ``3h5m``, ``12d``."""
    if int(duration_s) < -1:
        return "<invalid>"  # Negative: the clocks of two machines disagree.
    return times.format_age(timedelta(seconds=duration_s))


def age(time: times.Timestamp, now_s: float) -> str:
    """Return how long ago a time was, as text."""
    then_s = times.seconds_of(time)
    return human_duration(now_s - then_s) if then_s else UNKNOWN


def full(time: times.Timestamp) -> str:
    """Return a time as ``Mon, 02 Jan 2006 15:04:05 +0000``."""
    then_s = times.seconds_of(time)
    if not then_s:
        return UNKNOWN
    return datetime.fromtimestamp(then_s, UTC).strftime("%a, %d %b %Y %H:%M:%S %z")
