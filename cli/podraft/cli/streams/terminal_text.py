"""Containers' output for a terminal: text and colours pass, other sequences are made visible.

Pure.  Invariant: however the bytes are cut into pieces, the output is the same, and at most one
unfinished sequence is kept back.
"""

from __future__ import annotations

import codecs
import re

from podraft.api.characters import UNSAFE, escape

_COLOUR = r"\x1b\[[0-9;:]{0,32}m"
_SEEN = re.compile(rf"({_COLOUR}|\r(?=\n))|[{UNSAFE}]")
# A beginning that the next bytes may complete to a colour or a line end.
_UNFINISHED = re.compile(r"(?:\x1b(?:\[[0-9;:]{0,32})?|\r)\Z")
_RESETS = ("\x1b[0m", "\x1b[m")


class TerminalText:
    """One stream of bytes on its way to a terminal."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._kept = ""
        self._colour = ""

    def feed(self, data: bytes) -> bytes:
        """Take new output; return what may be shown now."""
        text = self._kept + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text, max(0, len(text) - 40))
        end = unfinished.start() if unfinished else len(text)
        self._kept = text[end:]
        return self._shown(text[:end])

    def finish(self) -> bytes:
        """Return the rest, and the end of a colour that was left on."""
        rest = self._shown(self._kept + self._decoder.decode(b"", final=True))
        self._kept = ""
        return rest + (b"" if self._colour in ("", *_RESETS) else b"\x1b[0m")

    def _shown(self, text: str) -> bytes:
        return _SEEN.sub(self._replaced, text).encode()

    def _replaced(self, match: re.Match[str]) -> str:
        passing: str | None = match[1]
        if passing is None:
            return escape(match[0])
        if passing != "\r":
            self._colour = passing
        return passing
