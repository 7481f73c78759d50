"""gRPC's own services, health and reflection, answered like ours.

Owns: their handlers, made of the libraries' servicers.  Invariant: a request that encodes no
message is refused as invalid, and a method that a library has not implemented as unknown; by
themselves the libraries answer both with a traceback in the log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from podraft.server.budgets.budget import Resource
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.rpc.calls import statuses
from podraft.server.rpc.calls.admitting import Call
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods

_NOT_IMPLEMENTED: Final = frozenset({"/grpc.health.v1.Health/List"})


def standard_methods(
    servicer: health.aio.HealthServicer, service_names: tuple[str, ...]
) -> Methods:
    """Return the handlers of both services; reflection lists ``service_names``."""
    handlers = _Handlers()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, handlers)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
        reflection.aio.ReflectionServicer(service_names), handlers
    )
    return {
        method: _stream_of_streams(handler) if handler.request_streaming else _of_one(handler)
        for method, handler in handlers.methods.items()
        if method not in _NOT_IMPLEMENTED
    }


def within_budgets(callers: Callers, handlers: Methods) -> Methods:
    """Return handlers that admit a call within its caller's budget, before they read from it."""
    gate = callers.gate

    async def enter(context: Any, resource: Resource) -> Call:
        try:
            return gate.enter(context, callers.of(context).holder, resource)
        except RefusedError as refusal:
            if refusal.retry_s is not None:
                await gate.pause(context)
            await statuses.abort(context, refusal)

    async def message(context: Any, resource: Resource) -> bytes:
        call = await enter(context, resource)
        try:
            return await call.receive()
        except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes a status
            await statuses.abort(context, error)

    def admitted(handler: Any) -> Any:
        async def one(_: object, context: Any) -> Any:
            return await handler.unary_unary(await message(context, Resource.CALLS), context)

        async def stream(_: object, context: Any) -> Any:
            return await handler.unary_stream(await message(context, Resource.STREAMS), context)

        async def streams(requests: Any, context: Any) -> None:
            await enter(context, Resource.STREAMS)
            async for response in handler.stream_stream(requests, context):
                await context.write(response)

        serializer = handler.response_serializer
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(
                streams, handler.request_deserializer, serializer
            )
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(stream, None, serializer)
        return grpc.stream_unary_rpc_method_handler(one, None, serializer)

    return {method: admitted(handler) for method, handler in handlers.items()}


class _Handlers:
    """A stand-in for the server to which generated code adds its handlers."""

    def __init__(self) -> None:
        self.methods: Methods = {}

    def add_generic_rpc_handlers(self, _: object) -> None:
        """Ignore these handlers: the same ones come with their names."""

    def add_registered_method_handlers(self, service: str, handlers: Methods) -> None:
        for name, handler in handlers.items():
            self.methods[f"/{service}/{name}"] = handler


def _of_one(handler: Any) -> Any:
    """Return the handler of a call with one request."""
    behaviour = handler.unary_stream if handler.response_streaming else handler.unary_unary

    async def handle(data: bytes, context: Any) -> Any:
        try:
            request = _parsed(handler.request_deserializer, data)
        except RefusedError as refusal:
            await statuses.abort(context, refusal)
        return await behaviour(request, context)

    make: Callable[..., Any] = grpc.unary_unary_rpc_method_handler
    if handler.response_streaming:
        make = grpc.unary_stream_rpc_method_handler
    return make(handle, response_serializer=handler.response_serializer)


def _stream_of_streams(handler: Any) -> Any:
    """Return the handler of a call that streams both ways."""

    async def requests(encoded: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for data in encoded:
            yield _parsed(handler.request_deserializer, data)

    async def handle(encoded: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
        try:
            async for response in handler.stream_stream(requests(encoded), context):
                yield response
        except RefusedError as refusal:
            await statuses.abort(context, refusal)

    return grpc.stream_stream_rpc_method_handler(
        handle, response_serializer=handler.response_serializer
    )


def _parsed(parse: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return parse(data)
    except DecodeError:
        raise RefusedError(
            Code.INVALID_ARGUMENT, "the request is no valid encoding of its message"
        ) from None
