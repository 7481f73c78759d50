"""The kinds' gRPC services, all by one implementation.

Owns: the map from the methods of a kind's service to calls of the registry.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf.message import Message

from podraft.api.autoscaling.v1 import scale_requests_pb2
from podraft.api.kinds import AnyKind, Change, KnownKinds, Registry
from podraft.api.meta.v1 import requests_pb2
from podraft.api.scales import SCALE, scale_of
from podraft.server.budgets.budget import Resource
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.encoded_extent import parsed
from podraft.server.registry.encoding import Answer, Warned
from podraft.server.registry.errors import invalid
from podraft.server.registry.reads.objects import ObjectReads
from podraft.server.registry.reads.reviews import Reviews
from podraft.server.registry.writes.collections import Collections
from podraft.server.registry.writes.operations import (
    Apply,
    Create,
    DeleteObject,
    Operation,
    Patch,
    Update,
)
from podraft.server.registry.writes.writer import Writer
from podraft.server.rpc.calls.admitting import Call
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods, Stream, Unary, stream_method, unary_methods


@dataclass(frozen=True, slots=True)
class KindCalls:
    """The calls of the registry that the services of all kinds are made of."""

    reads: ObjectReads
    writer: Writer
    collections: Collections
    callers: Callers

    def methods(self, kind: AnyKind) -> Methods:
        """Return the handlers of one kind."""
        methods = unary_methods(
            self.callers, _unary(kind, self.reads, self.writer, self.collections)
        )
        if "watch" in kind.verbs:
            method, serve = kind.method("Watch"), _watch(kind, self.reads, self.callers)
            methods[method] = stream_method(self.callers, method, Resource.WATCHES, serve)
        return methods


def kind_methods(known: KnownKinds, calls: KindCalls) -> Methods:
    """Return the handlers of the kinds that are built in."""
    methods: Methods = {}
    for kind in known:
        if not kind.custom:
            methods |= calls.methods(kind)
    return methods


def declared_methods(known: Registry, calls: KindCalls) -> Methods:
    """Return the handlers of the kinds that are declared, which come and go with their kinds."""
    methods: Methods = {}

    def take(change: Change) -> None:
        handlers = calls.methods(change.kind)
        if change.is_known:
            methods.update(handlers)
        else:
            for path in handlers:
                methods.pop(path, None)

    known.observe(take)
    return methods


def review_methods(known: KnownKinds, reviews: Reviews, callers: Callers) -> Methods:
    """Return the handlers of the kinds that are answered and never stored."""
    return unary_methods(
        callers,
        {
            kind.method("Create"): (kind.create_request, _answered(kind, reviews))
            for kind in known.answered()
        },
    )


def _answered(kind: AnyKind, reviews: Reviews) -> Unary:
    async def answered(request: Any, caller: Caller) -> bytes:
        return await reviews.answer(kind, _object(kind, request), caller)

    return answered


def _unary(
    kind: AnyKind, reads: ObjectReads, writer: Writer, collections: Collections
) -> dict[str, tuple[type[Message], Unary]]:
    table: dict[str, tuple[type[Message], Unary]] = {
        "Get": (requests_pb2.GetRequest, partial(reads.get, kind)),
        "List": (requests_pb2.ListRequest, partial(reads.list, kind)),
        "Patch": (requests_pb2.PatchRequest, _written(writer, partial(Patch, kind))),
        "Delete": (requests_pb2.DeleteRequest, _written(writer, partial(DeleteObject, kind))),
        "DeleteCollection": (
            requests_pb2.DeleteCollectionRequest,
            partial(collections.delete, kind),
        ),
    }
    table = {verb: entry for verb, entry in table.items() if verb.lower() in kind.verbs}
    if "patch" in kind.verbs:
        table["Apply"] = (kind.apply_request, _written(writer, partial(_apply, kind)))
    if "create" in kind.verbs:
        table["Create"] = (kind.create_request, _written(writer, partial(_create, kind)))
    if "update" in kind.verbs:
        update = kind.update_request
        table["Update"] = (update, _written(writer, partial(_update, kind, "")))
        if kind.has_status:
            table["UpdateStatus"] = (update, _written(writer, partial(_update, kind, "status")))
    if kind.scale is not None:
        table |= _scale(kind, reads, writer)
    return {kind.method(verb): entry for verb, entry in table.items()}


def _scale(
    kind: AnyKind, reads: ObjectReads, writer: Writer
) -> dict[str, tuple[type[Message], Unary]]:
    def answered(write: Unary) -> Unary:
        async def as_scale(request: Any, caller: Caller) -> Answer:
            answer = await write(request, caller)
            assert isinstance(answer, bytes)  # The object as it was written.
            return scale_of(kind, kind.message.FromString(answer)).SerializeToString()

        return as_scale

    update, patch = partial(_update_scale, kind), partial(_patch_scale, kind)
    return {
        "GetScale": (requests_pb2.GetRequest, partial(reads.get_scale, kind)),
        "UpdateScale": (
            scale_requests_pb2.UpdateScaleRequest,
            answered(_written(writer, update)),
        ),
        "PatchScale": (requests_pb2.PatchRequest, answered(_written(writer, patch))),
    }


def _update_scale(kind: AnyKind, request: scale_requests_pb2.UpdateScaleRequest) -> Update:
    if not request.HasField("scale"):
        raise invalid("scale", "is required")
    return Update(kind, request.scale, SCALE)


def _patch_scale(kind: AnyKind, request: requests_pb2.PatchRequest) -> Patch:
    if request.subresource not in ("", SCALE):
        raise invalid("subresource", "must be scale or nothing")
    request.subresource = SCALE
    return Patch(kind, request)


def _written(writer: Writer, operation: Callable[[Any], Operation]) -> Unary:
    """Return a handler that carries out the operation which a request means."""
    write = writer.write

    async def written(request: Any, caller: Caller) -> bytes | Warned:
        operations, options = (operation(request),), request.options
        outcome = await write(
            operations,
            caller,
            dry_run=options.dry_run,
            request_id=options.request_id,
            manager=getattr(options, "field_manager", ""),
        )
        return await writer.warned(outcome.encoded(), operations, outcome, caller)

    return written


def _create(kind: AnyKind, request: Any) -> Create:
    return Create(kind, _object(kind, request))


def _update(kind: AnyKind, subresource: str, request: Any) -> Update:
    return Update(kind, _object(kind, request), subresource)


def _apply(kind: AnyKind, request: Any) -> Apply:
    configuration = _object(kind, request)
    return Apply(kind, configuration, request.force, request.subresource, request.only_create)


def _object(kind: AnyKind, request: Any) -> Any:
    if not request.HasField(kind.field):
        raise invalid(kind.field, "is required")
    return getattr(request, kind.field)


def _watch(kind: AnyKind, reads: ObjectReads, callers: Callers) -> Stream:
    async def watch(caller: Caller, call: Call, _: AsyncIterator[bytes]) -> None:
        data = await call.receive()
        await call.charge(len(data))
        request = parsed(requests_pb2.WatchRequest, data)
        # The request may have come long after the call.
        callers.check(caller)
        async with reads.watch(kind, request, caller) as responses:
            async for response in responses:
                await call.send(response)

    return watch
