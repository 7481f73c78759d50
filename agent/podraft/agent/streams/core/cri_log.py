"""The format of container log files: ``<time> <stream> <P|F> <text>``, one record per line.

Invariants: everything here is pure; the text is bytes that only a newline divides, and comes out
as it went in; memory stays bounded, however long a record, or a line of many records, is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

# conmon's records are shorter; the text of a longer record is passed on in pieces.
RECORD_BYTES_MAX: Final = 1 << 16
# Enough for the time, the stream and the tag, which come first.
HEAD_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class Head:
    """The head before a record's text; a partial record (``P``) continues in the next one."""

    time: bytes
    partial: bool
    length: int


def head_of(record: bytes) -> Head | None:
    """Return the head of a record that begins here, or None if it is not a record."""
    time, _, rest = record[:HEAD_BYTES].partition(b" ")
    stream, _, rest = rest.partition(b" ")
    tags, _, _ = rest.partition(b" ")
    tag = tags.partition(b":")[0]
    if stream not in (b"stdout", b"stderr") or tag not in (b"P", b"F"):
        return None
    return Head(time, tag == b"P", len(time) + len(stream) + len(tags) + 3)


def time_s(time: bytes) -> float:
    """Return a record's time in seconds since the epoch, or 0 if it is malformed."""
    text = time.decode("ascii", "replace")
    head, dot, fraction = text.partition(".")
    digits = len(fraction) - len(fraction.lstrip("0123456789"))
    zone = fraction[digits:] or "Z"
    try:
        whole = f"{head}.{fraction[:digits][:6]:0<6}{zone}" if dot else head
        return datetime.fromisoformat(whole).timestamp()
    except ValueError:
        return 0.0


class Rendering:
    """A rendering of log files, which arrive in pieces of any size, into the text for a reader.

    A line's first record says when the line was written, and thereby whether it is too old.
    """

    def __init__(self, *, timestamps: bool = False, since_s: float = 0.0) -> None:
        self._timestamps = timestamps
        self._since_s = since_s
        self._begun = b""
        # Set while the text of a long record is passed on.
        self._within: Head | None = None
        self._at_line_start = True
        self._shown = True

    def feed(self, data: bytes) -> bytes:
        """Take the next piece of a file; return what may be shown now."""
        shown = bytearray()
        *ends, rest = (self._begun + data).split(b"\n")
        self._begun = b""
        for record in ends:
            self._finish(record, shown)
        if self._within is not None or len(rest) >= RECORD_BYTES_MAX:
            self._pass_on(rest, shown)
        else:
            self._begun = rest
        return bytes(shown)

    def next_file(self) -> None:
        """Forget a record whose end was never written: another file begins."""
        self._begun = b""
        self._within = None

    def _finish(self, record: bytes, shown: bytearray) -> None:
        head = self._within
        if head is None:
            head = head_of(record)
            if head is None:
                return
            self._begin(head, shown)
            record = record[head.length :]
        self._within = None
        if self._shown:
            shown += record
            if not head.partial:
                shown += b"\n"
        self._at_line_start = not head.partial

    def _pass_on(self, text: bytes, shown: bytearray) -> None:
        """Show a piece of a record whose end has not come yet."""
        if self._within is None:
            # Text that is not a record is skipped, like a record that nobody wants to see.
            head = head_of(text)
            if head is None:
                self._begun = text[:HEAD_BYTES]
                return
            self._within = head
            self._begin(head, shown)
            text = text[head.length :]
        if self._shown:
            shown += text

    def _begin(self, head: Head, shown: bytearray) -> None:
        if self._at_line_start:
            self._shown = self._since_s <= 0 or time_s(head.time) >= self._since_s
            if self._shown and self._timestamps:
                shown += head.time + b" "
        self._at_line_start = False
