"""Refusals as gRPC statuses, with machine-readable details (``google.rpc``).

Owns: the translation of the registry's codes, violations and retries.  Invariant: what is cut
to fit gRPC's bounds is still counted in the message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from podraft.api.details import CONTINUE_EXPIRED, CONTINUE_TOKEN, ERROR_DOMAIN, WARNING_KEY
from podraft.api.violations import Violation
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.failures import translate

# gRPC refuses trailers above 8 KiB in sum.  It writes details in base64, and each byte of a message
# that is not printable ASCII as three bytes.
_VIOLATIONS_BYTES_MAX: Final = 2560
_FIELD_BYTES_MAX: Final = 512
_DESCRIPTION_BYTES_MAX: Final = 2048
_MESSAGE_WRITTEN_MAX: Final = 2048
# There are some warnings at most, each of which takes a third more.
_WARNING_BYTES_MAX: Final = 256

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

STATUS_OF: Final = {code: grpc.StatusCode[code.name] for code in Code}
CODE_OF: Final = {status: code for code, status in STATUS_OF.items()}
NUMBER_OF: Final[dict[Code, int]] = {code: STATUS_OF[code].value[0] for code in Code}


class CallerLeftError(Exception):
    """The error of a caller that has ended the call; there is nobody to answer."""


async def send(context: grpc.aio.ServicerContext[Any, Any], response: bytes) -> None:
    """Send one message of a stream, as soon as the caller takes it.

    Raises:
        CallerLeftError: The call has ended.
    """
    try:
        await context.write(response)
    except grpc.aio.InternalError:
        # gRPC raises this when the call was cancelled while a message was on its way.
        raise CallerLeftError from None


def words(refusal: RefusedError) -> tuple[str, bytes]:
    """Return the refusal besides its code: a message, and an encoded Status or nothing."""
    message = _cut(refusal.message, _MESSAGE_WRITTEN_MAX, written=True)
    token = refusal.continue_token
    if not refusal.violations and refusal.retry_s is None and not token:
        return message, b""
    status = status_pb2.Status(code=NUMBER_OF[refusal.code], message=message)
    detail = any_pb2.Any()
    if token:
        info = error_details_pb2.ErrorInfo(reason=CONTINUE_EXPIRED, domain=ERROR_DOMAIN)
        info.metadata[CONTINUE_TOKEN] = token
        detail.Pack(info)
    elif refusal.retry_s is None:
        detail.Pack(_bad_request(refusal.violations))
    else:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(refusal.retry_s * 1000))
        detail.Pack(retry)
    status.details.append(detail)
    return message, status.SerializeToString()


def warnings(texts: Sequence[str]) -> tuple[tuple[str, bytes], ...]:
    """Return the trailing metadata that tells a caller of warnings."""
    return tuple((WARNING_KEY, _cut(text, _WARNING_BYTES_MAX).encode()) for text in texts)


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: Exception) -> NoReturn:
    """End the call with the status that tells about ``error``."""
    refusal = translate(error)
    await abort_as(context, STATUS_OF[refusal.code], *words(refusal))


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
        # The caller has left already.
        raise asyncio.CancelledError from None
    raise AssertionError("an aborted call goes on")


def _bad_request(violations: Sequence[Violation]) -> error_details_pb2.BadRequest:
    request = error_details_pb2.BadRequest()
    size = 0
    for violation in violations:
        field = _cut(violation.field, _FIELD_BYTES_MAX)
        description = _cut(violation.description, _DESCRIPTION_BYTES_MAX)
        size += len(field.encode()) + len(description.encode()) + 8
        if size > _VIOLATIONS_BYTES_MAX and request.field_violations:
            break
        request.field_violations.add(field=field, description=description)
    return request


def _cut(text: str, size: int, *, written: bool = False) -> str:
    """Return as much of ``text`` as fits into ``size`` bytes; ``written``: in gRPC's encoding."""
    encoded = text[:size].encode()
    if not written:
        return encoded[:size].decode(errors="ignore")
    left = size
    for place, byte in enumerate(encoded):
        left -= 1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3
        if left < 0:
            return encoded[:place].decode(errors="ignore")
    return encoded.decode()
