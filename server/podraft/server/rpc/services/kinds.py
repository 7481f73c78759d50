"""The kinds' gRPC services, all by one implementation.

Owns: the table from method to handler, made once from the table of kinds.
Invariant: requests arrive as typed messages, answers leave as bytes; what the store
holds is sent as it is.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError, Message

from podraft.api.kinds import AnyKind, KnownKinds
from podraft.api.meta.v1 import requests_pb2
from podraft.server.auth.authorize import Attributes
from podraft.server.budgets.budget import Resource
from podraft.server.kinds.rooms import rules_of
from podraft.server.metrics import calls
from podraft.server.registry import encoding, errors, selection
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.cache.watches import Watches
from podraft.server.registry.encoded_extent import FIELDS_MAX, has_too_many_fields
from podraft.server.registry.errors import RefusedError, invalid
from podraft.server.registry.past.time_travel import PastReads
from podraft.server.registry.reads import pages
from podraft.server.registry.writes.operations import Create, Operation, Patch, Remove, Update
from podraft.server.registry.writes.writer import Writer
from podraft.server.rpc.calls import statuses
from podraft.server.rpc.calls.admitting import Call
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.statuses import Context
from podraft.server.state.datastore import Datastore
from podraft.server.state.reads import Reads

Answer: TypeAlias = "bytes | encoding.Parts | encoding.Costly"
Unary: TypeAlias = "Callable[[Any, Caller], Awaitable[Answer]]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Methods: TypeAlias = "dict[str, Handler]"


class MethodTable(grpc.GenericRpcHandler):
    """Finds the handler of a method by its full path; what nobody serves has one, too."""

    def __init__(self, methods: Methods, callers: Callers) -> None:
        self._methods = methods
        self._unknown = _unknown_method(callers)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """Return the handler of a call."""
        return self._methods.get(handler_call_details.method, self._unknown)


def _unknown_method(callers: Callers) -> Handler:
    """Return what refuses calls that nobody serves: by itself gRPC would, outside of budgets."""
    gate, counts = callers.gate, calls.of_method("unknown")

    async def handle(_: object, context: Context) -> bytes:
        started_s = time.monotonic()
        try:
            call = gate.enter(context, callers.of(context).holder)
            await call.charge()
            raise RefusedError(errors.Code.UNIMPLEMENTED, "there is no such method")
        except RefusedError as refusal:
            counts.add(refusal.code.name, time.monotonic() - started_s)
            if refusal.retry_s is not None:
                await gate.pause(context)
            await statuses.abort(context, refusal)

    return grpc.stream_unary_rpc_method_handler(handle)


def unary_methods(callers: Callers, table: Mapping[str, tuple[type[Message], Unary]]) -> Methods:
    """Return handlers that recognize the caller and answer with the functions' bytes."""
    return {
        # To clients it is unary; as a stream, its message is read when there is a place for it.
        method: grpc.stream_unary_rpc_method_handler(
            _handler(callers, calls.of_method(method), request, function),
            request_deserializer=None,
            response_serializer=None,
        )
        for method, (request, function) in table.items()
    }


def _handler(
    callers: Callers, counts: calls.Counts, request: type[Message], function: Unary
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    gate = callers.gate

    async def handle(_: object, context: Context) -> bytes:
        started_s = time.monotonic()
        try:
            caller = callers.of(context)
            call = gate.enter(context, caller.holder)
            data = await call.receive()
            await call.charge(len(data))
            # The request may have come long after the call.
            callers.check(caller)
            answer = await function(parsed(request, data), caller)
            answer = await _composed(answer, call)
        except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes a status
            refusal = errors.translate(error)
            counts.add(refusal.code.name, time.monotonic() - started_s)
            if refusal.retry_s is not None:
                await gate.pause(context)
            await statuses.abort(context, refusal)
        counts.add("OK", time.monotonic() - started_s)
        return answer

    return handle


async def _composed(answer: Answer, call: Call) -> bytes:
    """Return an answer's bytes, when there is room for them."""
    if isinstance(answer, encoding.Costly):
        await call.hold(Resource.PAST)
        answer = await answer.make()
    if isinstance(answer, encoding.Parts):
        await call.make_room(answer.size)
        return answer.joined()
    await call.make_room(len(answer))
    return answer


def parsed(request: type[Message], data: bytes) -> Any:
    """Return the request that ``data`` encodes.

    Here and not by gRPC, which would answer that something unknown went wrong.

    Raises:
        RefusedError: It encodes none, or one of more parts than are parsed at once.
    """
    if has_too_many_fields(data, request):
        raise RefusedError(
            errors.Code.INVALID_ARGUMENT, f"the request has more than {FIELDS_MAX} fields"
        )
    try:
        return request.FromString(data)
    except DecodeError:
        name = request.DESCRIPTOR.full_name
        raise RefusedError(
            errors.Code.INVALID_ARGUMENT, f"the request is no valid encoding of {name}"
        ) from None


class KindServices:
    """Serves every kind's create, get, list, watch, update, patch and delete."""

    def __init__(
        self,
        known: KnownKinds,
        datastore: Datastore,
        stale_reads: Reads,
        caches: Caches,
        watches: Watches,
        writer: Writer,
        callers: Callers,
        past: PastReads,
    ) -> None:
        self._known = known
        self._past = past
        self._datastore = datastore
        self._stale_reads = stale_reads
        self._caches = caches
        self._watches = watches
        self._writer = writer
        self._callers = callers

    def methods(self) -> Methods:
        """Return the handlers of all kinds that have a service of their own."""
        methods: Methods = {}
        for kind in self._known:
            if not kind.custom:
                methods.update(self._methods_of(kind))
        return methods

    def _reads(self, *, stale: bool) -> Reads:
        return self._stale_reads if stale else self._datastore

    def _methods_of(self, kind: AnyKind) -> Methods:
        create, update = kind.create_request, kind.update_request
        table: dict[str, tuple[type[Message], Unary]] = {
            "Create": (create, self._create(kind)),
            "Get": (requests_pb2.GetRequest, self._get(kind)),
            "List": (requests_pb2.ListRequest, self._list(kind)),
            "Update": (update, self._update(kind, "")),
            "Patch": (requests_pb2.PatchRequest, self._patch(kind)),
            "Delete": (requests_pb2.DeleteRequest, self._delete(kind)),
        }
        if kind.has_status:
            table["UpdateStatus"] = (update, self._update(kind, "status"))
        methods = unary_methods(
            self._callers, {kind.method(verb): entry for verb, entry in table.items()}
        )
        methods[kind.method("Watch")] = grpc.stream_stream_rpc_method_handler(
            self._watch(kind),
            request_deserializer=None,
            response_serializer=None,
        )
        return methods

    async def _write(
        self,
        operation: Operation,
        caller: Caller,
        options: requests_pb2.WriteOptions | requests_pb2.DeleteOptions,
    ) -> bytes:
        outcome = await self._writer.write(
            (operation,), caller, dry_run=options.dry_run, request_id=options.request_id
        )
        return outcome.encoded()

    def _create(self, kind: AnyKind) -> Unary:
        field = kind.field

        async def create(request: Any, caller: Caller) -> bytes:
            if not request.HasField(field):
                raise invalid(field, "is required")
            operation = Create(kind, getattr(request, field))
            return await self._write(operation, caller, request.options)

        return create

    def _update(self, kind: AnyKind, subresource: str) -> Unary:
        field = kind.field

        async def update(request: Any, caller: Caller) -> bytes:
            if not request.HasField(field):
                raise invalid(field, "is required")
            operation = Update(kind, getattr(request, field), subresource)
            return await self._write(operation, caller, request.options)

        return update

    def _patch(self, kind: AnyKind) -> Unary:
        async def patch(request: requests_pb2.PatchRequest, caller: Caller) -> bytes:
            return await self._write(Patch(kind, request), caller, request.options)

        return patch

    def _delete(self, kind: AnyKind) -> Unary:
        async def delete(request: requests_pb2.DeleteRequest, caller: Caller) -> bytes:
            return await self._write(Remove(kind, request), caller, request.options)

        return delete

    def _get(self, kind: AnyKind) -> Unary:
        async def get(request: requests_pb2.GetRequest, caller: Caller) -> bytes:
            namespace, name = request.namespace, request.name
            if request.at or request.hash_secret_values:
                return await self._past.get(kind, request, caller)
            store = self._reads(stale=request.allow_stale)
            if caller.unrestricted:
                return (await pages.get(store, kind, namespace, name)).value
            key = pages.target_key(kind, namespace, name)
            record = await store.get(key)
            stored = None
            if record is not None:
                stored = self._caches.of(kind).objects.of(record)
            caller(Attributes("get", kind, namespace, name, stored=stored))
            if record is None:
                raise pages.not_found(kind, namespace, name)
            return record.value

        return get

    def _list(self, kind: AnyKind) -> Unary:
        is_secret = rules_of(kind).secrecy is not None

        async def list_(request: requests_pb2.ListRequest, caller: Caller) -> Answer:
            caller(
                Attributes("list", kind, request.namespace, field_selector=request.field_selector)
            )
            wanted = selection.parse(
                kind, request.namespace, request.label_selector, request.field_selector
            )
            # A later page is of an older revision, whose values may not be told any more.
            later = request.continue_token and is_secret
            if request.at or request.hash_secret_values or later:
                return encoding.Costly(partial(self._past.page, wanted, request, caller))
            store = self._reads(stale=request.allow_stale)
            key = pages.list_key(self._past.cluster_key, caller.author, kind, request)
            work = self._past.turns.work(caller.author)
            return await pages.list_encoded(
                store, self._caches.of(kind), wanted, request, key, work
            )

        return list_

    def _watch(self, kind: AnyKind) -> Callable[[object, Context], Awaitable[None]]:
        gate = self._callers.gate

        async def watch(_: object, context: Context) -> None:
            try:
                caller = self._callers.of(context)
                call = gate.enter(context, caller.holder, Resource.WATCHES)
                data = await call.receive()
                await call.charge(len(data))
                request = parsed(requests_pb2.WatchRequest, data)
                # The request may have come long after the call.
                self._callers.check(caller)
                attributes = Attributes(
                    "watch", kind, request.namespace, field_selector=request.field_selector
                )
                caller(attributes)
                wanted = selection.parse(
                    kind, request.namespace, request.label_selector, request.field_selector
                )
                work = self._past.turns.work(caller.author)
                with self._callers.live.held(caller, attributes):
                    await self._past.check_resume(kind, request.resource_version)
                    version = request.resource_version
                    async for response in self._watches.stream(wanted, version, work):
                        await call.send(response)
            except statuses.CallerLeftError:
                return
            except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes a status
                refusal = errors.translate(error)
                if refusal.retry_s is not None:
                    await gate.pause(context)
                await statuses.abort(context, refusal)

        return watch
