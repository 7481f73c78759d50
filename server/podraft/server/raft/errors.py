"""What a member does when it meets the impossible: it stops.

Owns: ``InvariantViolatedError`` and ``ensure``.
"""

from __future__ import annotations


class InvariantViolatedError(Exception):
    """Something happened that a correct group never does; the member must stop, not diverge."""


def ensure(holds: bool, problem: str) -> None:
    """Stop the member, by an exception, unless ``holds``.

    Raises:
        InvariantViolatedError: It does not hold.
    """
    if not holds:
        raise InvariantViolatedError(problem)
