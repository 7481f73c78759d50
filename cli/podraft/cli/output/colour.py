"""Colour for status words, only on a terminal.

A text carries colour as marks that nobody else can write, until `printing` turns them into
terminal sequences: text from objects can therefore contain no sequence at all.
"""

from __future__ import annotations

import os
import re

# Random, so that no author of shown text can know it.
_SECRET = os.urandom(8).hex()
_MARK = re.compile(f"⟦{_SECRET}:([0-9;]*)⟧")
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


def paint_status(text: str, word: str) -> str:
    """Return `text` (perhaps padded) in the colour of the status `word` in it."""
    code = _status_code(word)
    return paint(text, code) if code else text


def paint(text: str, code: str) -> str:
    """Return `text` in the colour of a code such as ``32``."""
    return f"⟦{_SECRET}:{code}⟧{text}⟦{_SECRET}:0⟧"


def shown(text: str) -> str:
    """Return a text with terminal sequences in place of its marks."""
    return _MARK.sub("\x1b[\\1m", text)


def bold(text: str, *, enabled: bool) -> str:
    """Return `text` in bold where colour is enabled."""
    return paint(text, _BOLD) if enabled else text


def dim(text: str, *, enabled: bool) -> str:
    """Return `text` dimmed where colour is enabled."""
    return paint(text, _DIM) if enabled else text


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
