"""Conversion of gRPC's call failures into the SDK's exceptions.

Invariant: no caller of the SDK ever sees a `grpc.RpcError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import grpc
import grpc.aio

from podraft.api import details as names
from podraft.client.errors import (
    AlreadyExistsError,
    ApiError,
    CompactedError,
    ConflictError,
    DeadlineExceededError,
    FailedPreconditionError,
    FieldViolation,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    UnauthenticatedError,
    UnavailableError,
)

_DETAILS_KEY = "grpc-status-details-bin"

_CLASSES: dict[grpc.StatusCode, type[ApiError]] = {
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.ABORTED: ConflictError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidError,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
    grpc.StatusCode.OUT_OF_RANGE: CompactedError,
    grpc.StatusCode.PERMISSION_DENIED: ForbiddenError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    # Cancelled by a stopping server: a caller that gives up itself gets asyncio's exception.
    grpc.StatusCode.CANCELLED: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
}


def from_rpc_error(error: grpc.aio.AioRpcError) -> ApiError:
    """Return the SDK's exception for a failed call, with its field violations."""
    code, message = error.code(), error.details() or ""
    if code is grpc.StatusCode.UNAVAILABLE:
        message += _hint(message)
    details = _details(error)
    found = _CLASSES.get(code, ApiError)(code, message, details.violations, details.retry_s)
    if isinstance(found, CompactedError):
        found.continue_token = details.continue_token
    return found


def unanswered(failures: Mapping[str, grpc.aio.AioRpcError], elapsed_s: float) -> ApiError:
    """Return the failure of a call that none of these servers answered."""
    last = list(failures.values())[-1]
    if len(failures) == 1:
        return from_rpc_error(last)
    tried = tuple((server, _reason(error)) for server, error in failures.items())
    listed = "; ".join(f"{server} ({reason})" for server, reason in tried)
    late = last.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    class_ = DeadlineExceededError if late else UnavailableError
    error = class_(last.code(), f"no server answered within {elapsed_s:.1f} s: {listed}")
    error.tried = tried
    return error


def _reason(error: grpc.aio.AioRpcError) -> str:
    details = error.details() or ""
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return "no answer in time"
    if details.startswith("failed to connect"):
        # The rest are gRPC's own states and the address.
        return details.rpartition(": ")[2] + _hint(details)
    return details or error.code().name


def _hint(message: str) -> str:
    """Return the likely cause of a failed TLS handshake; gRPC shows only its effect."""
    if not message.startswith("failed to connect"):
        return ""
    if "CERTIFICATE_VERIFY_FAILED" in message:
        return (
            " (the server's certificate is not signed by the authority in the configuration, "
            "or has expired)"
        )
    if message.endswith("Socket closed"):
        return (
            " (the server closed the connection during the handshake: it may have refused "
            "the client certificate, if that is of another cluster or has expired)"
        )
    return ""


class _Details(NamedTuple):
    """The violations that a refusal names, the seconds to wait before a retry, how to go on."""

    violations: tuple[FieldViolation, ...] = ()
    retry_s: float | None = None
    continue_token: str = ""


def _details(error: grpc.aio.AioRpcError) -> _Details:
    packed = [value for key, value in error.trailing_metadata() or () if key == _DETAILS_KEY]
    if not packed:
        return _Details()
    # Imported late: only failures pay for these modules.
    from google.protobuf.message import DecodeError
    from google.rpc import error_details_pb2, status_pb2

    bad_request, retry = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    info, token = error_details_pb2.ErrorInfo(), ""
    found: list[FieldViolation] = []
    retry_s: float | None = None
    try:
        for detail in status_pb2.Status.FromString(packed[0]).details:
            if detail.Unpack(bad_request):
                found += [
                    FieldViolation(v.field, v.description) for v in bad_request.field_violations
                ]
            elif detail.Unpack(retry):
                retry_s = max(retry.retry_delay.ToMilliseconds() / 1000, 0.0)
            elif detail.Unpack(info) and info.reason == names.CONTINUE_EXPIRED:
                token = info.metadata.get(names.CONTINUE_TOKEN, "")
    except DecodeError:
        return _Details()
    return _Details(tuple(found), retry_s, token)
