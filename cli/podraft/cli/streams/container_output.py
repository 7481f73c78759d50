"""A container's output on its way to one of this process's streams.

A program gets every byte unchanged.  A terminal, unless the user asked for the same, gets text and
colours unchanged; everything else that would act on it is made visible.
"""

from __future__ import annotations

from collections.abc import Callable

from podraft.cli.streams.terminal_text import TerminalText


class ContainerOutput:
    """The writer of one stream."""

    def __init__(self, write: Callable[[bytes], None], *, to_terminal: bool) -> None:
        self._write = write
        self._shown = TerminalText() if to_terminal else None

    def write(self, data: bytes) -> None:
        """Write new output."""
        self._write(self._shown.feed(data) if self._shown else data)

    def finish(self) -> None:
        """Write the output that was kept back, as nothing follows."""
        if self._shown:
            self._write(self._shown.finish())
