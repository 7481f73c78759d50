"""The format of container log files: ``<time> <stream> <P|F> <text>``, one record per line.

Invariant: parsing is pure; a record that is not yet complete is not parsed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Record:
    """One record; a partial one (``P``) goes on in the next."""

    time: bytes
    stdout: bool
    partial: bool
    text: bytes


def parse(line: bytes) -> Record | None:
    """Return the record of one line without its newline, or nothing if it is none."""
    parts = line.split(b" ", 3)
    if len(parts) < 4 or parts[1] not in (b"stdout", b"stderr"):
        return None
    return Record(parts[0], parts[1] == b"stdout", parts[2] == b"P", parts[3])


def time_s(record: Record) -> float:
    """Return a record's time in seconds since the epoch, or 0 if it is malformed."""
    text = record.time.decode("ascii", "replace")
    head, dot, fraction = text.partition(".")
    digits = len(fraction) - len(fraction.lstrip("0123456789"))
    zone = fraction[digits:] or "Z"
    try:
        whole = f"{head}.{fraction[:digits][:6]:0<6}{zone}" if dot else head
        return datetime.fromisoformat(whole).timestamp()
    except ValueError:
        return 0.0


def render(record: Record, *, at_line_start: bool, timestamps: bool) -> bytes:
    """Return what a reader sees of a record."""
    prefix = record.time + b" " if timestamps and at_line_start else b""
    return prefix + record.text + (b"" if record.partial else b"\n")
