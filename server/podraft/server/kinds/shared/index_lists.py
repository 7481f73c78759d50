"""The indexes of an ``Indexed`` job as text: ``0,2-4``.

Owns: how a set of indexes is written and read.

Invariant: indexes are kept as ranges, so that neither text nor memory grows with a job's
completions; the ranges ascend and never touch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

# No list that an object can hold is longer; the digits of an index are those of an int32.
TEXT_MAX: Final = 1024 * 1024
_DIGITS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Indexes:
    """A set of indexes, as ranges whose both ends belong to them."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, indexes: Iterable[int]) -> Indexes:
        """Return the set of some indexes, in any order."""
        return cls(_joined((index, index) for index in sorted(set(indexes))))

    @classmethod
    def parse(cls, text: str) -> Indexes:
        """Read a list.

        Raises:
            ValueError: It is malformed, too long, or not in ascending order; with the reason.
        """
        if len(text) > TEXT_MAX:
            raise ValueError(f"must be at most {TEXT_MAX} characters, is {len(text)}")
        ranges = list[tuple[int, int]]()
        for part in text.split(",") if text else ():
            first, dash, last = part.partition("-")
            low = _number(first)
            high = _number(last) if dash else low
            if low > high or (ranges and low <= ranges[-1][1]):
                raise ValueError("must have its numbers in ascending order, each of them once")
            ranges.append((low, high))
        return cls(_joined(ranges))

    def __str__(self) -> str:
        return ",".join(_range_text(low, high) for low, high in self.ranges)

    def __len__(self) -> int:
        return sum(high - low + 1 for low, high in self.ranges)

    def __contains__(self, index: int) -> bool:
        position = bisect_right(self.ranges, (index, 2**63)) - 1
        return position >= 0 and index <= self.ranges[position][1]

    def __or__(self, other: Indexes) -> Indexes:
        return Indexes(_joined(sorted((*self.ranges, *other.ranges))))

    @property
    def last(self) -> int:
        """The highest index; -1 if there is none."""
        return self.ranges[-1][1] if self.ranges else -1

    def below(self, end: int) -> Indexes:
        """Return the indexes below an end."""
        kept = ((low, min(high, end - 1)) for low, high in self.ranges if low < end)
        return Indexes(tuple(kept))

    def missing(self, end: int) -> Iterator[int]:
        """Yield the indexes below an end that are not in the set, in ascending order."""
        start = 0
        for low, high in self.ranges:
            yield from range(start, min(low, end))
            start = high + 1
        yield from range(start, end)

    def common(self, other: Indexes) -> int:
        """Return how many indexes both sets have."""
        found, mine, theirs = 0, 0, 0
        while mine < len(self.ranges) and theirs < len(other.ranges):
            (low, high), (other_low, other_high) = self.ranges[mine], other.ranges[theirs]
            found += max(0, min(high, other_high) - max(low, other_low) + 1)
            if high < other_high:
                mine += 1
            else:
                theirs += 1
        return found


def _joined(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Join ascending ranges that touch or overlap."""
    joined = list[tuple[int, int]]()
    for low, high in ranges:
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise ValueError('must be numbers and ranges such as "0,2-4"')
    return int(text)


def _range_text(low: int, high: int) -> str:
    if low == high:
        return str(low)
    # Two neighbours are written as two numbers.
    return f"{low},{high}" if high == low + 1 else f"{low}-{high}"
