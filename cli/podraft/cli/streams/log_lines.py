"""Lines of containers' output as they are printed: where they come from, and kept whole.

Invariant: nothing but a newline divides lines, and no byte of a line is changed; a line that
is too long to keep is printed in pieces.
"""

from __future__ import annotations

_LINE_BYTES_MAX = 1 << 18


class LogLines:
    """Gives each line of one container a head, and releases it when it is whole."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._begun = bytearray()
        self._at_line_start = True

    def feed(self, data: bytes) -> bytes:
        """Take what came; return what may be printed now."""
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
        """Return the last line, if it has no end; another container's may follow it."""
        rest = self._take()
        return rest + b"\n" if rest or not self._at_line_start else b""

    def _take(self) -> bytes:
        """Return what has been kept, with heads."""
        text = bytes(self._begun)
        self._begun.clear()
        if not self._head or not text:
            return text
        last = text.endswith(b"\n")
        lines = text[: -1 if last else None].split(b"\n")
        begin = b"" if not self._at_line_start else self._head
        return begin + (b"\n" + self._head).join(lines) + (b"\n" if last else b"")
