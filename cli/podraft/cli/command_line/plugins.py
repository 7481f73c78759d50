"""Programs that are commands of podraft: ``podraft-NAME`` on the ``PATH``.

Owns: how they are found and started.  Invariant: a command of podraft's own is never replaced.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

_PREFIX: Final = "podraft-"
_WORDS_MAX: Final = 8


def plugin_for(words: Sequence[str]) -> tuple[Path, list[str]] | None:
    """Return the program that the longest run of words names, and the words after it.

    ``podraft foo bar`` is ``podraft-foo-bar``, or ``podraft-foo`` with the word ``bar``; a dash
    within a word is an underscore in the program's name.
    """
    plain: list[str] = []
    for word in words[:_WORDS_MAX]:
        if word.startswith("-") or "/" in word or not word:
            break
        plain.append(word.replace("-", "_"))
    for count in range(len(plain), 0, -1):
        name = _PREFIX + "-".join(plain[:count])
        for directory in _directories():
            if _is_program(directory / name):
                return directory / name, list(words[count:])
    return None


def every_plugin() -> list[Path]:
    """Return all programs that could be commands, in the order of the ``PATH``."""
    found: list[Path] = []
    for directory in _directories():
        try:
            names = sorted(path for path in directory.iterdir() if path.name.startswith(_PREFIX))
        except OSError:
            continue  # A directory of the PATH need not exist.
        own = {"podraft-server", "podraft-agent"}
        found += [path for path in names if path.name not in own and _is_program(path)]
    return found


def run_plugin(path: Path, words: Sequence[str]) -> NoReturn:
    """Become the program.

    Raises:
        OSError: It cannot be started.
    """
    os.execv(path, [str(path), *words])


def _directories() -> list[Path]:
    parts = os.environ.get("PATH", "").split(os.pathsep)
    return [Path(part) for part in dict.fromkeys(parts) if part]


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
