"""A container's output on its way to one of this process's streams.

To a program every byte goes as it is; to a terminal, unless somebody asked for that, text and
colours do, and what else would act on it is shown.
"""

from __future__ import annotations

from collections.abc import Callable

from podraft.cli.streams.terminal_text import TerminalText


class ContainerOutput:
    """Writes one stream."""

    def __init__(self, write: Callable[[bytes], None], *, to_terminal: bool) -> None:
        self._write = write
        self._shown = TerminalText() if to_terminal else None

    def write(self, data: bytes) -> None:
        """Write what came."""
        self._write(self._shown.feed(data) if self._shown else data)

    def finish(self) -> None:
        """Write what was kept back, as nothing follows."""
        if self._shown:
            self._write(self._shown.finish())
