"""What a call to the API can fail with.

Owns: the exceptions of the SDK; `connecting.failures` makes them from gRPC's.  Invariant: the
class says what may be done about the failure, `code` and `violations` keep the details.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc


class ConfigError(Exception):
    """A configuration file cannot be read or lacks something."""


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a refused request: where it is and what is expected of it."""

    field: str
    description: str


class ApiError(Exception):
    """The API refused or failed a call; subclasses say what a caller can do about it."""

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        violations: tuple[FieldViolation, ...] = (),
        retry_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.violations = violations
        # After how long the server lets it be tried again, if it was too many or too fast.
        self.retry_s = retry_s

    def __str__(self) -> str:
        if not self.violations:
            return self.message or self.code.name
        details = "; ".join(f"{v.field}: {v.description}" for v in self.violations)
        return f"{self.message}: {details}" if self.message else details


class NotFoundError(ApiError):
    """The object, or what it is to be written into, is not there."""


class AlreadyExistsError(ApiError):
    """An object of this name is already there."""


class ConflictError(ApiError):
    """The object changed since it was read: read it again, decide again."""


class InvalidError(ApiError):
    """The request is malformed; `violations` name its fields.  A retry fails again."""


class FailedPreconditionError(ApiError):
    """The state forbids the call, for example a namespace that is being deleted."""


class CompactedError(ApiError):
    """The history that a watch or list wants is gone: list anew."""


class ForbiddenError(ApiError):
    """The caller is known but may not do that."""


class UnauthenticatedError(ApiError):
    """The server does not know who asks."""


class OverloadedError(ApiError):
    """A queue or size limit was met; try again later, or with less."""


class UnavailableError(ApiError):
    """No server could be reached, or it went away in the middle: the outcome is unknown.

    ``tried`` holds each server with why it did not answer, if there are several.
    """

    tried: tuple[tuple[str, str], ...] = ()


class DeadlineExceededError(UnavailableError):
    """No answer came in time: the outcome is unknown."""
