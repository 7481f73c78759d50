"""The gRPC services of views: stored objects in another form.

Owns: the map from the methods of a view's service to calls of the registry.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import Any

from google.protobuf.message import Message

from podraft.api.meta.v1 import requests_pb2
from podraft.api.views import View
from podraft.api.violations import InvalidObjectError
from podraft.server.budgets.budget import Resource
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.encoded_extent import parsed
from podraft.server.registry.errors import from_violations, invalid
from podraft.server.registry.reads.views import ViewReads, shown
from podraft.server.registry.writes.operations import Create, DeleteObject, Operation, Update
from podraft.server.registry.writes.writer import Writer
from podraft.server.rpc.calls.admitting import Call
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods, Stream, Unary, stream_method, unary_methods


def view_methods(
    views: Iterable[View], reads: ViewReads, writer: Writer, callers: Callers
) -> Methods:
    """Return the handlers of the services of views."""
    methods: Methods = {}
    for view in views:
        methods |= unary_methods(callers, _unary(view, reads, writer))
        method, serve = view.kind.method("Watch"), _watch(view, reads, callers)
        methods[method] = stream_method(callers, method, Resource.WATCHES, serve)
    return methods


def _unary(view: View, reads: ViewReads, writer: Writer) -> dict[str, tuple[type[Message], Unary]]:
    kind = view.kind
    table: dict[str, tuple[type[Message], Unary]] = {
        "Get": (requests_pb2.GetRequest, partial(reads.get, view)),
        "List": (requests_pb2.ListRequest, partial(reads.list, view)),
        "Create": (kind.create_request, _written(view, writer, partial(_create, view))),
        "Update": (kind.update_request, _written(view, writer, partial(_update, view))),
        "Delete": (
            requests_pb2.DeleteRequest,
            _written(view, writer, partial(DeleteObject, view.of)),
        ),
    }
    return {kind.method(verb): entry for verb, entry in table.items()}


def _written(view: View, writer: Writer, operation: Callable[[Any], Operation]) -> Unary:
    """Return a handler that carries out what a request means, and answers in the view's form."""

    async def written(request: Any, caller: Caller) -> bytes:
        options = request.options
        outcome = await writer.write(
            (operation(request),),
            caller,
            dry_run=options.dry_run,
            request_id=options.request_id,
            manager=getattr(options, "field_manager", ""),
        )
        return shown(view, outcome.encoded())

    return written


def _create(view: View, request: Any) -> Create:
    return Create(view.of, _stored(view, request))


def _update(view: View, request: Any) -> Update:
    return Update(view.of, _stored(view, request), "")


def _stored(view: View, request: Any) -> Any:
    field = view.kind.field
    if not request.HasField(field):
        raise invalid(field, "is required")
    try:
        return view.stored(getattr(request, field))
    except InvalidObjectError as error:
        raise from_violations(error.violations) from None


def _watch(view: View, reads: ViewReads, callers: Callers) -> Stream:
    async def watch(caller: Caller, call: Call, _: AsyncIterator[bytes]) -> None:
        data = await call.receive()
        await call.charge(len(data))
        request = parsed(requests_pb2.WatchRequest, data)
        # The request may have come long after the call.
        callers.check(caller)
        async with reads.watch(view, request, caller) as responses:
            async for response in responses:
                await call.send(response)

    return watch
