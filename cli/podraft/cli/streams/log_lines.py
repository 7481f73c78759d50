"""Lines of containers' output for printing: kept whole, each with its origin.

Invariant: nothing but a newline divides lines, and no byte of a line is changed; a line that
is too long to keep is printed in pieces.
"""

from __future__ import annotations

_LINE_BYTES_MAX = 1 << 18


class LogLines:
    """The lines of one container, each released with a head when it is complete."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._begun = bytearray()
        self._at_line_start = True

    def feed(self, data: bytes) -> bytes:
        """Take new output; return what may be printed now."""
        end = data.rfind(b"\n") + 1
        shown = bytearray()
        if end:
            self._begun += data[:end]
            shown += self._take()
            self._at_line_start = True
        self._begun += data[end:]
        if len(self._begun) > _LINE_BYTES_MAX:
            shown += self._take()
            self._at_line_start = False
        return bytes(shown)

    def finish(self) -> bytes:
        """Return an unfinished last line, ended because another container's may follow."""
        rest = self._take()
        return rest + b"\n" if rest or not self._at_line_start else b""

    def _take(self) -> bytes:
        """Return the kept output, each line with its head."""
        text = bytes(self._begun)
        self._begun.clear()
        if not self._head or not text:
            return text
        last = text.endswith(b"\n")
        lines = text[: -1 if last else None].split(b"\n")
        begin = b"" if not self._at_line_start else self._head
        return begin + (b"\n" + self._head).join(lines) + (b"\n" if last else b"")
