"""Methods: the way of a call from gRPC to a function, and of its answer back.

Owns: the table from a method's path to its handler, and the boundary at which every failure
becomes a status.  Invariants: requests arrive as typed messages, answers leave as bytes; a call is
counted once, and let in before its message is read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message

from podraft.server.budgets.budget import Resource
from podraft.server.metrics import calls
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.encoded_extent import parsed
from podraft.server.registry.encoding import Answer, Costly, Parts, Warned
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.failures import translate
from podraft.server.rpc.calls import statuses
from podraft.server.rpc.calls.admitting import Call
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.statuses import Context

Unary: TypeAlias = "Callable[[Any, Caller], Awaitable[Answer]]"
# A function that serves a stream, of whose requests none has been read.
Stream: TypeAlias = "Callable[[Caller, Call, AsyncIterator[bytes]], Awaitable[None]]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Methods: TypeAlias = "dict[str, Handler]"


class MethodTable(grpc.GenericRpcHandler):
    """The handlers of methods by full path; unknown methods have one, too.

    ``declared`` are those of kinds that come and go.
    """

    def __init__(self, methods: Methods, declared: Methods, callers: Callers) -> None:
        self._methods = methods
        self._declared = declared
        self._unknown = _unknown_method(callers)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """Return the handler of a call."""
        method = handler_call_details.method
        return self._methods.get(method) or self._declared.get(method, self._unknown)


def _unknown_method(callers: Callers) -> Handler:
    """Return a handler that refuses unknown methods; gRPC itself would do so outside of budgets."""
    gate, counts = callers.gate, calls.of_method("unknown")

    async def handle(_: object, context: Context) -> bytes:
        started_s = time.monotonic()
        hearing = callers.auditor.hear("unknown", context)
        try:
            hearing.caller = callers.of(context)
            call = gate.enter(context, hearing.caller.holder)
            await call.charge()
            raise RefusedError(Code.UNIMPLEMENTED, "there is no such method")
        except RefusedError as refusal:
            counts.add(refusal.code.name, time.monotonic() - started_s)
            hearing.end(refusal.code.name, refusal.message)
            if refusal.retry_s is not None:
                await gate.pause(context)
            await statuses.abort(context, refusal)

    return grpc.stream_unary_rpc_method_handler(handle)


def unary_methods(callers: Callers, table: Mapping[str, tuple[type[Message], Unary]]) -> Methods:
    """Return handlers that recognize the caller and answer with the functions' bytes."""
    return {
        # Clients see a unary method; as a stream, its message is read only when there is a place.
        method: grpc.stream_unary_rpc_method_handler(
            _handler(callers, method, request, function),
            request_deserializer=None,
            response_serializer=None,
        )
        for method, (request, function) in table.items()
    }


def _handler(
    callers: Callers, method: str, request: type[Message], function: Unary
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    gate, counts = callers.gate, calls.of_method(method)

    async def handle(_: object, context: Context) -> bytes:
        started_s = time.monotonic()
        hearing = callers.auditor.hear(method, context)
        try:
            caller = hearing.caller = callers.of(context)
            call = gate.enter(context, caller.holder)
            data = await call.receive()
            await call.charge(len(data))
            # The request may have come long after the call.
            callers.check(caller)
            message = hearing.request = parsed(request, data)
            if caller.identity.has_roles:
                async with gate.seating.of(caller.holder.name):
                    answer = await function(message, caller)
            else:
                answer = await function(message, caller)
            if isinstance(answer, Warned):
                context.set_trailing_metadata(statuses.warnings(answer.warnings))
                answer = answer.answer
            answer = await _composed(answer, call)
        except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes a status
            refusal = translate(error)
            counts.add(refusal.code.name, time.monotonic() - started_s)
            hearing.end(refusal.code.name, refusal.message)
            if refusal.retry_s is not None:
                await gate.pause(context)
            await statuses.abort(context, refusal)
        counts.add("OK", time.monotonic() - started_s)
        hearing.end("OK", answer=answer)
        return answer

    return handle


async def _composed(answer: bytes | Parts | Costly, call: Call) -> bytes:
    """Return an answer's bytes, when there is room for them."""
    if isinstance(answer, Costly):
        await call.hold(Resource.PAST)
        answer = await answer.make()
    if isinstance(answer, Parts):
        await call.make_room(answer.size)
        return answer.joined()
    await call.make_room(len(answer))
    return answer


def stream_method(callers: Callers, method: str, resource: Resource, serve: Stream) -> Handler:
    """Return the handler of a stream that holds one of ``resource`` while it lasts."""
    gate = callers.gate

    async def handle(requests: AsyncIterator[bytes], context: Context) -> None:
        hearing = callers.auditor.hear(method, context, is_stream=True)
        try:
            caller = hearing.caller = callers.of(context)
            await serve(caller, gate.enter(context, caller.holder, resource), requests)
            hearing.end("OK")
        except (statuses.CallerLeftError, asyncio.CancelledError) as error:
            hearing.end("CANCELLED")
            if isinstance(error, asyncio.CancelledError):
                raise
        except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes a status
            refusal = translate(error)
            hearing.end(refusal.code.name, refusal.message)
            if refusal.retry_s is not None:
                await gate.pause(context)
            await statuses.abort(context, refusal)

    return grpc.stream_stream_rpc_method_handler(handle)
