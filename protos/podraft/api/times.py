"""Points and spans of time: messages, RFC 3339 text, ages and durations.

Owns: the two spellings of time in the contract.  ``Time`` has whole seconds
(``2026-01-02T03:04:05Z``), ``MicroTime`` microseconds.  Both are UTC.

Invariant: nothing here reads a clock; callers pass the present time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Protocol

from podraft.api.meta.v1 import meta_pb2


class Timestamp(Protocol):
    """A `Time` or `MicroTime` of the contract."""

    @property
    def seconds(self) -> int:
        """Seconds since the epoch."""

    @property
    def nanos(self) -> int:
        """The rest, in nanoseconds."""


_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|d|h|m|s)")
_UNIT_S = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_rfc3339(text: str) -> datetime:
    """Return the moment, in UTC, that an RFC 3339 text names.

    Raises:
        ValueError: The text is not an RFC 3339 time; the message says what is expected.

    """
    match = _RFC3339.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        fraction = match[1] or ""
        text = text.upper()
        if len(fraction) > 7:  # datetime holds microseconds: the rest is dropped, not rounded.
            text = text.replace(fraction, fraction[:7], 1)
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("expected an RFC 3339 time such as 2026-01-02T03:04:05Z") from None


def is_time(time: meta_pb2.Time | meta_pb2.MicroTime) -> bool:
    """Return whether a message holds a moment that RFC 3339 can express."""
    return _FIRST_S <= time.seconds <= _LAST_S and 0 <= time.nanos < 1_000_000_000


def seconds_of(time: Timestamp) -> float:
    """Return a time in seconds since the epoch; 0 when it is not set."""
    return time.seconds + time.nanos / 1e9


def time_at(seconds: float) -> meta_pb2.Time:
    """Return the ``Time`` of a moment in seconds since the epoch; fractions are dropped."""
    return meta_pb2.Time(seconds=int(seconds))


def time_of(moment: datetime) -> meta_pb2.Time:
    """Return the ``Time`` of an aware datetime; fractions of a second are dropped."""
    return meta_pb2.Time(seconds=_seconds(moment))


def micro_time_of(moment: datetime) -> meta_pb2.MicroTime:
    """Return the ``MicroTime`` of an aware datetime."""
    return meta_pb2.MicroTime(seconds=_seconds(moment), nanos=moment.microsecond * 1000)


def _seconds(moment: datetime) -> int:
    delta = moment - _EPOCH
    return delta.days * 86_400 + delta.seconds


def datetime_of(time: meta_pb2.Time | meta_pb2.MicroTime) -> datetime:
    """Return the moment, in UTC, that a message holds; an unset one is in 1970.

    A moment outside of the years 1 to 9999 counts as the nearest one within.
    """
    try:
        return _EPOCH + timedelta(seconds=time.seconds, microseconds=time.nanos // 1000)
    except OverflowError:
        return _LAST if time.seconds > 0 else _FIRST


def format_time(time: meta_pb2.Time) -> str:
    """Return a time as text: ``2026-01-02T03:04:05Z``."""
    return _zulu(datetime_of(time).isoformat(timespec="seconds"))


def format_micro_time(time: meta_pb2.MicroTime) -> str:
    """Return a time as text: ``2026-01-02T03:04:05.000006Z``."""
    return _zulu(datetime_of(time).isoformat(timespec="microseconds"))


def _zulu(text: str) -> str:
    return text.removesuffix("+00:00") + "Z"


def format_age(age: timedelta) -> str:
    """Return a short age as kubectl prints it: ``45s``, ``5m30s``, ``3d4h``, ``2y10d``.

    The age has at most two units, the second only while it matters.
    """
    seconds = int(age.total_seconds())
    if seconds < 0:
        return "0s"
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    if days < 2920:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}{second}{second_unit}" if second else f"{first}{first_unit}"


def parse_duration_s(text: str) -> float:
    """Return the seconds of ``90s``, ``1h30m``, ``250ms``, ``2d`` or a bare ``0``.

    Raises:
        ValueError: The text is not a duration; the message says what is expected.

    """
    if text == "0":
        return 0.0
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("expected a duration such as 90s, 5m or 1h30m")
    return float(sum(float(number) * _UNIT_S[unit] for number, unit in parts))
