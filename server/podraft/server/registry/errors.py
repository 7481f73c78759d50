"""Refusals: what a caller is told when a call is not carried out, whatever transport it came by.

Owns: the codes, and the rest of a refusal: a message, violations, when to try again.  Invariant: a
refusal says precisely what is wrong.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from podraft.api.violations import InvalidObjectError, Violation


class Code(enum.Enum):
    """The kind of a refusal; ``docs/architecture.md`` says what each asks of the caller."""

    CANCELLED = enum.auto()
    UNKNOWN = enum.auto()
    INVALID_ARGUMENT = enum.auto()
    UNAUTHENTICATED = enum.auto()
    PERMISSION_DENIED = enum.auto()
    NOT_FOUND = enum.auto()
    ALREADY_EXISTS = enum.auto()
    ABORTED = enum.auto()
    FAILED_PRECONDITION = enum.auto()
    OUT_OF_RANGE = enum.auto()
    RESOURCE_EXHAUSTED = enum.auto()
    DEADLINE_EXCEEDED = enum.auto()
    UNAVAILABLE = enum.auto()
    UNIMPLEMENTED = enum.auto()
    INTERNAL = enum.auto()
    DATA_LOSS = enum.auto()


class RefusedError(Exception):
    """The refusal of a call, with ``code`` and a message for its caller."""

    def __init__(
        self,
        code: Code,
        message: str,
        violations: Sequence[Violation] = (),
        *,
        retry_s: float | None = None,
        continue_token: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.violations = tuple(violations)
        # Seconds after which the call may be tried again, if the caller was too many or too fast.
        self.retry_s = retry_s
        # The token with which a list whose revision is gone goes on at the newest one.
        self.continue_token = continue_token


def invalid(field: str, description: str) -> RefusedError:
    """Return the refusal of one malformed field."""
    return RefusedError(
        Code.INVALID_ARGUMENT, f"{field}: {description}", (Violation(field, description),)
    )


def from_violations(
    violations: Sequence[Violation], *, more: bool = False, code: Code = Code.INVALID_ARGUMENT
) -> RefusedError:
    """Return the refusal of an object with these violations; ``more``: there may be others."""
    first = violations[0]
    message = f"{first.field}: {first.description}" if first.field else first.description
    if len(violations) > 1:
        message += f" (and {'at least ' if more else ''}{len(violations) - 1} more)"
    return RefusedError(code, message, violations)


def located(error: InvalidObjectError | RefusedError, index: int) -> RefusedError:
    """Name the write of a ``Commit`` that an error is about: ``writes[3].spec.replicas``."""
    prefix = f"writes[{index}]"
    if error.violations:
        return from_violations(
            [
                Violation(f"{prefix}.{v.field}" if v.field else prefix, v.description)
                for v in error.violations
            ],
            more=isinstance(error, InvalidObjectError) and error.more,
            code=error.code if isinstance(error, RefusedError) else Code.INVALID_ARGUMENT,
        )
    assert isinstance(error, RefusedError)  # The other type always has violations.
    # Not when to try again: a list that is too long for a budget is refused each time it comes.
    return RefusedError(error.code, f"{prefix}: {error.message}")
