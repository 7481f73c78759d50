"""Refusals: what a caller is told, as a gRPC status with machine-readable details.

Owns: the table from our exceptions to status codes.  Invariants: a refusal says
precisely what is wrong; an unexpected exception reaches the log with its
traceback and the caller with an id only.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from podraft.api.violations import InvalidObjectError, Violation
from podraft.server.state.datastore import (
    FutureRevisionError,
    RevisionCompactedError,
    SlowWatcherError,
    StoreFailedError,
    StoreOverloadedError,
    StoreUnavailableError,
    TransactionTooLargeError,
)

_LOG = logging.getLogger(__name__)

# gRPC refuses trailers above 8 KiB in sum; what is cut is still counted in the message.
_DETAILS_BYTES_MAX = 4096
_MESSAGE_CHARACTERS_MAX = 2048

Code = grpc.StatusCode
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class RefusedError(Exception):
    """A call is refused with ``code`` and a message for its caller."""

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        violations: Sequence[Violation] = (),
        *,
        retry_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.violations = tuple(violations)
        # After how long it may be tried again, if the caller was too many or too fast.
        self.retry_s = retry_s


class CallerLeftError(Exception):
    """The caller ended the call; there is nobody to answer."""


async def send(context: grpc.aio.ServicerContext[Any, Any], response: bytes) -> None:
    """Send one message of a stream, as soon as the caller takes it.

    Raises:
        CallerLeftError: The call has ended.
    """
    try:
        await context.write(response)
    except grpc.aio.InternalError:
        # What gRPC raises when the call was cancelled while a message was on its way.
        raise CallerLeftError from None


def invalid(field: str, description: str) -> RefusedError:
    """Return the refusal of one malformed field."""
    return RefusedError(
        Code.INVALID_ARGUMENT, f"{field}: {description}", (Violation(field, description),)
    )


def from_violations(violations: Sequence[Violation], *, more: bool = False) -> RefusedError:
    """Return the refusal of an object with these violations; ``more``: at least with these."""
    first = violations[0]
    message = f"{first.field}: {first.description}" if first.field else first.description
    if len(violations) > 1:
        message += f" (and {'at least ' if more else ''}{len(violations) - 1} more)"
    return RefusedError(Code.INVALID_ARGUMENT, message, violations)


def located(error: InvalidObjectError | RefusedError, index: int) -> RefusedError:
    """Let an error of one write of a ``Commit`` say which: ``writes[3].spec.replicas``."""
    prefix = f"writes[{index}]"
    if error.violations:
        return from_violations(
            [
                Violation(f"{prefix}.{v.field}" if v.field else prefix, v.description)
                for v in error.violations
            ],
            more=isinstance(error, InvalidObjectError) and error.more,
        )
    assert isinstance(error, RefusedError)  # The other one always has violations.
    return RefusedError(error.code, f"{prefix}: {error.message}")


def translate(error: Exception) -> RefusedError:
    """Return the refusal that tells a caller about ``error``."""
    match error:
        case RefusedError():
            return error
        case InvalidObjectError():
            return from_violations(error.violations, more=error.more)
        case RevisionCompactedError():
            return RefusedError(Code.OUT_OF_RANGE, f"{error}: list again")
        case FutureRevisionError():
            return RefusedError(Code.OUT_OF_RANGE, f"{error}: list again")
        case StoreOverloadedError():
            return RefusedError(
                Code.RESOURCE_EXHAUSTED, "too many writes wait for the store; try again later"
            )
        case SlowWatcherError():
            return RefusedError(
                Code.UNAVAILABLE, "the watch fell behind; resume from the last event's revision"
            )
        case TransactionTooLargeError():
            return RefusedError(Code.RESOURCE_EXHAUSTED, str(error))
        case StoreUnavailableError():
            return RefusedError(Code.UNAVAILABLE, str(error))
        case StoreFailedError():
            _LOG.error("the store failed: %s", error)
            return RefusedError(Code.UNAVAILABLE, "the store has stopped; the outcome is unknown")
        case _:
            reference = secrets.token_hex(6)
            _LOG.error("unexpected failure id=%s", reference, exc_info=error)
            return RefusedError(
                Code.INTERNAL, f"internal error {reference}; the server's log has the details"
            )


def words(refusal: RefusedError) -> tuple[str, bytes]:
    """Return what is told besides the code: a message, and an encoded Status or nothing."""
    message = refusal.message[:_MESSAGE_CHARACTERS_MAX]
    if not refusal.violations and refusal.retry_s is None:
        return message, b""
    status = status_pb2.Status(code=refusal.code.value[0], message=message)
    detail = any_pb2.Any()
    if refusal.retry_s is None:
        detail.Pack(_bad_request(refusal.violations))
    else:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(refusal.retry_s * 1000))
        detail.Pack(retry)
    status.details.append(detail)
    return message, status.SerializeToString()


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: Exception) -> NoReturn:
    """End the call with the status that tells about ``error``."""
    refusal = translate(error)
    await abort_as(context, refusal.code, *words(refusal))


async def abort_as(
    context: grpc.aio.ServicerContext[Any, Any],
    code: grpc.StatusCode,
    message: str,
    details: bytes = b"",
) -> NoReturn:
    """End the call with a code and what ``words`` returned."""
    trailers: tuple[tuple[str, str | bytes], ...] = ()
    if details:
        trailers = (("grpc-status-details-bin", details),)
    try:
        await context.abort(code, message, trailers)
    except grpc.aio.InternalError:
        # There is nobody to tell it any more.
        raise asyncio.CancelledError from None
    raise AssertionError("an aborted call goes on")


def _bad_request(violations: Sequence[Violation]) -> error_details_pb2.BadRequest:
    request = error_details_pb2.BadRequest()
    size = 0
    for violation in violations:
        size += len(violation.field.encode()) + len(violation.description.encode()) + 8
        if size > _DETAILS_BYTES_MAX and request.field_violations:
            break
        request.field_violations.add(
            field=violation.field[:1024], description=violation.description[:2048]
        )
    return request
