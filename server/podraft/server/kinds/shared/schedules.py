"""The schedules of cron jobs: when they are due, in which time zone.

Owns: which schedules are understood, and the next time of one.

Invariant: pure, but for the tables of time zones, which are read once from the installed program
and never change while it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

TEXT_MAX: Final = 1024
_NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY: Final = "@every "
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}(?:h|m|s))+")
_PART: Final = re.compile(r"([0-9]+)(h|m|s)")
_SECONDS: Final = {"h": 3600, "m": 60, "s": 1}
_FIELD: Final = re.compile(r"[0-9A-Za-z*,/?-]+")
# The last day, the nearest weekday, the nth weekday: signs that Kubernetes does not know.
_FOREIGN: Final = re.compile(r"(?:^|[0-9,/-])L|W(?!E)|#", re.IGNORECASE)
# Back to eight years, the longest time between two 29ths of February.
_WINDOWS_S: Final = (3600.0, 86_400.0, 32 * 86_400.0, 367 * 86_400.0, 9 * 366 * 86_400.0)
_EXPECTED: Final = 'expected five fields such as "30 2 * * 1-5", or "@daily" and the like'


class InvalidScheduleError(ValueError):
    """A schedule is malformed; the text says what is expected."""


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def is_zone(name: str) -> bool:
    """Return whether a name is that of a time zone."""
    return name in _zones()


def check_schedule(schedule: str) -> None:
    """Check a schedule.

    Raises:
        InvalidScheduleError: It is malformed, or has no time at all.
    """
    if schedule.startswith(_EVERY):
        _interval_of(schedule)
        return
    try:
        CronSim(_fields_of(schedule), datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise InvalidScheduleError(f"{_words_of(error)}: {_EXPECTED}") from None


def times_after(schedule: str, zone: str, after_s: float) -> Iterator[float]:
    """Yield the times of a valid schedule after a moment, in ascending order, as Unix seconds.

    ``zone`` is the name of a time zone; empty: UTC.
    """
    if schedule.startswith(_EVERY):
        every_s = _interval_of(schedule).total_seconds()
        time_s = float(int(after_s))
        while True:
            time_s += every_s
            yield time_s
    start = datetime.fromtimestamp(after_s, ZoneInfo(zone) if zone else UTC)
    # The microseconds are dropped first: a time within the second of the start lies before it.
    for time in CronSim(_fields_of(schedule), start.replace(microsecond=0)):
        yield time.timestamp()


def latest_time(schedule: str, zone: str, after_s: float, until_s: float) -> float | None:
    """Return the last time of a valid schedule after one moment and not after another.

    The search goes back in growing steps, so that it costs the same however long nobody looked.
    """
    if schedule.startswith(_EVERY):
        every_s = _interval_of(schedule).total_seconds()
        passed = int((until_s - int(after_s)) // every_s)
        return int(after_s) + passed * every_s if passed > 0 else None
    for window_s in _WINDOWS_S:
        start_s = max(after_s, until_s - window_s)
        latest = None
        for time_s in times_after(schedule, zone, start_s):
            if time_s > until_s:
                break
            latest = time_s
        if latest is not None or start_s <= after_s:
            return latest
    return None


def _fields_of(schedule: str) -> str:
    if len(schedule) > TEXT_MAX:
        raise InvalidScheduleError(f"must be at most {TEXT_MAX} characters, is {len(schedule)}")
    if "TZ=" in schedule:
        raise InvalidScheduleError("must not name a time zone: that is what timeZone is for")
    if schedule.startswith("@"):
        known = _NICKNAMES.get(schedule)
        if known is None:
            names = ", ".join(_NICKNAMES)
            raise InvalidScheduleError(f"expected one of {names}, or @every and a duration")
        return known
    fields = schedule.split()
    if len(fields) != 5:
        raise InvalidScheduleError(f"has {len(fields)} fields: {_EXPECTED}")
    for position, field in enumerate(fields):
        is_month_or_weekday = position >= 3
        if not _FIELD.fullmatch(field) or (
            _FOREIGN.search(field) if is_month_or_weekday else re.search("[A-Za-z]", field)
        ):
            raise InvalidScheduleError(_EXPECTED)
    return " ".join("*" if field == "?" else field for field in fields)


def _interval_of(schedule: str) -> timedelta:
    text = schedule.removeprefix(_EVERY)
    if not _DURATION.fullmatch(text) or len(text) > 64:
        raise InvalidScheduleError('expected a duration such as "1h30m" after @every')
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if not 1 <= seconds <= 366 * 86400:
        raise InvalidScheduleError("the duration must be 1s to 8784h")
    return timedelta(seconds=seconds)


def _words_of(error: CronSimError) -> str:
    words = str(error)
    return words[:1].lower() + words[1:]
