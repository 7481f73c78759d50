"""Where a tool learns the kinds that its cluster's users have declared.

Owns: the source that a command sets before it meets names of kinds.  It stands apart from the
kinds, so that a command which needs none imports none.

Invariant: a source is asked once at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final


class Teacher:
    """What a tool asks for further kinds, and when it began to ask there."""

    def __init__(self) -> None:
        self._source: Callable[[], Iterable[Any]] | None = None
        # Counts the sources: what another one taught does not hold any more.
        self.lesson = 0

    def set(self, source: Callable[[], Iterable[Any]]) -> None:
        """Ask ``source`` from now on."""
        self._source = source
        self.lesson += 1

    def dismiss(self) -> None:
        """Ask nobody from now on; what was taught does not hold any more."""
        self._source = None
        self.lesson += 1

    def ask(self) -> tuple[Any, ...]:
        """Return the kinds that the source knows; none if it was asked before."""
        source, self._source = self._source, None
        return () if source is None else tuple(source())


TEACHER: Final = Teacher()
