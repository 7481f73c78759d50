"""The exceptions that calls to the API raise.

Owns: the SDK's exceptions; `connecting.failures` makes them from gRPC's.  Invariant: the class
says what can be done about the failure, `code` and `violations` keep the details.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc


class ConfigError(Exception):
    """A configuration file cannot be read or is incomplete."""


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
        # When the server may be asked again, if there were too many requests or they came too fast.
        self.retry_s = retry_s

    def __str__(self) -> str:
        if not self.violations:
            return self.message or self.code.name
        details = "; ".join(f"{v.field}: {v.description}" for v in self.violations)
        return f"{self.message}: {details}" if self.message else details


class NotFoundError(ApiError):
    """The object, or the one it should be written into, does not exist."""


class AlreadyExistsError(ApiError):
    """An object of this name already exists."""


class ConflictError(ApiError):
    """The object has changed since it was read: read it again and decide anew."""


class InvalidError(ApiError):
    """The request is malformed; `violations` name its fields.  A retry fails again."""


class FailedPreconditionError(ApiError):
    """The state forbids the call, for example a namespace that is being deleted."""


class CompactedError(ApiError):
    """The history that a watch or list asked for is gone: list anew.

    A list that was to continue goes on, with the objects as they are now, by ``continue_token``.
    """

    continue_token: str = ""


class ForbiddenError(ApiError):
    """The caller is known but lacks the permission."""


class UnauthenticatedError(ApiError):
    """The server cannot tell who the caller is."""


class OverloadedError(ApiError):
    """A queue or size limit was reached; try again later, or with less."""


class UnavailableError(ApiError):
    """No server could be reached, or it went away during the call: the outcome is unknown.

    If there are several servers, ``tried`` maps each to the reason why it did not answer.
    """

    tried: tuple[tuple[str, str], ...] = ()


class DeadlineExceededError(UnavailableError):
    """No answer came in time: the outcome is unknown."""
