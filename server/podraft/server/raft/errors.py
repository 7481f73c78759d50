"""Stopping a member that meets the impossible.

Owns: ``InvariantViolatedError`` and ``ensure``.
"""

from __future__ import annotations


class InvariantViolatedError(Exception):
    """Something happened that never does in a correct group; the member must stop, not diverge."""


def ensure(holds: bool, problem: str) -> None:
    """Stop the member, by an exception, unless ``holds``.

    Raises:
        InvariantViolatedError: The condition does not hold.
    """
    if not holds:
        raise InvariantViolatedError(problem)
