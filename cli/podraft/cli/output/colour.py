"""Colour for status words, only where a person looks at a terminal."""

from __future__ import annotations

import os
from typing import IO

_GREEN, _YELLOW, _RED, _DIM, _BOLD = "32", "33", "31", "2", "1"

_GOOD = {"Running", "Ready", "Active", "True", "Normal", "created", "Available", "Healthy"}
_DONE = {"Completed", "Succeeded", "unchanged"}
_UNDERWAY = {
    "Pending",
    "ContainerCreating",
    "PodInitializing",
    "Terminating",
    "NotReady",
    "Unknown",
    "SchedulingDisabled",
    "Warning",
    "configured",
}


def wanted(choice: str, stream: IO[str]) -> bool:
    """Say whether to colour what goes to `stream`: ``auto``, ``always`` or ``never``.

    ``auto`` follows https://no-color.org and colours terminals only.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def paint_status(text: str, word: str) -> str:
    """Return `text` (perhaps padded) in the colour of the status `word` in it."""
    code = _status_code(word)
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


def bold(text: str, *, enabled: bool) -> str:
    """Return `text` in bold where colour is enabled."""
    return f"\x1b[{_BOLD}m{text}\x1b[0m" if enabled else text


def dim(text: str, *, enabled: bool) -> str:
    """Return `text` dimmed where colour is enabled."""
    return f"\x1b[{_DIM}m{text}\x1b[0m" if enabled else text


def _status_code(word: str) -> str:
    if not word or word.startswith("<"):
        return ""
    if "/" in word and not word.startswith("Init:"):
        ready, _, total = word.partition("/")
        return _GREEN if ready == total else _YELLOW
    first = word.partition(",")[0]
    if first in _DONE:
        return _DIM
    if "SchedulingDisabled" in word or (first.startswith("Init:") and "/" in first):
        return _YELLOW
    if first in _GOOD:
        return _GREEN
    return _YELLOW if first in _UNDERWAY else _RED
