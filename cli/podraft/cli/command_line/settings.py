"""The options that every command takes, as one record."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from podraft.cli.output import printing

DEFAULT_REQUEST_TIMEOUT_S = 30.0


@dataclass(slots=True)
class Settings:
    """Global options; filled while the command line is parsed, constant afterwards."""

    namespace: str | None = None
    config: Path | None = None
    context: str | None = None
    as_user: str = ""
    as_groups: tuple[str, ...] = ()
    request_timeout_s: float = DEFAULT_REQUEST_TIMEOUT_S
    colour: str = "auto"
    verbosity: int = 0

    def coloured(self) -> bool:
        """Return whether to colour standard output."""
        return printing.coloured(self.colour)

    def live(self) -> bool:
        """Return whether progress can be redrawn: standard output is a terminal."""
        return printing.stdout_is_terminal() and os.environ.get("TERM") != "dumb"
