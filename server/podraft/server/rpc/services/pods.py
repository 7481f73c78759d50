"""What pods can do besides being stored: be bound, be explained, be reached.

Owns: the handlers of ``BindPod`` and ``GetPodSchedulingRecord``; logs and exec are
relayed by `relay`.  Invariant: a pod's record outlives neither the pod nor its name's
next owner.
"""

from __future__ import annotations

import grpc

from podraft.api import kinds
from podraft.api.core.v1 import scheduling_pb2
from podraft.api.meta.v1 import requests_pb2
from podraft.server.auth.authorize import SCHEDULING, Attributes
from podraft.server.auth.pki import Pki
from podraft.server.kinds.core.pod.room import scheduling_record_key
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.access.node_registry import NodeRegistry
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.past.time_travel import PastReads
from podraft.server.registry.reads import pages
from podraft.server.registry.writes.operations import Bind
from podraft.server.registry.writes.writer import Writer
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.services.kinds import Methods, unary_methods
from podraft.server.rpc.services.relay import Relay
from podraft.server.state.datastore import Datastore


class PodMethods:
    """The methods that only ``PodService`` has."""

    def __init__(
        self,
        datastore: Datastore,
        caches: Caches,
        writer: Writer,
        callers: Callers,
        pki: Pki,
        past: PastReads,
        nodes: NodeRegistry,
    ) -> None:
        self._past = past
        self._datastore = datastore
        self._writer = writer
        self._callers = callers
        self._relay = Relay(datastore, caches, callers, pki, nodes)

    def use(self, pki: Pki) -> None:
        """Reach agents with the certificate of ``pki`` from now on."""
        self._relay.use(pki)

    def methods(self) -> Methods:
        """Return the handlers."""
        service = f"/{kinds.POD.service}"
        methods = unary_methods(
            self._callers,
            {
                f"{service}/BindPod": (scheduling_pb2.BindPodRequest, self._bind),
                f"{service}/GetPodSchedulingRecord": (requests_pb2.GetRequest, self._get_record),
            },
        )
        return {
            **methods,
            f"{service}/StreamPodLogs": grpc.stream_stream_rpc_method_handler(
                self._relay.stream_logs
            ),
            f"{service}/ExecPod": grpc.stream_stream_rpc_method_handler(self._relay.exec),
        }

    async def close(self) -> None:
        """Close the connections to agents."""
        await self._relay.close()

    async def _bind(self, request: scheduling_pb2.BindPodRequest, caller: Caller) -> bytes:
        outcome = await self._writer.write((Bind(request),), caller, request_id=request.request_id)
        return outcome.encoded()

    async def _get_record(self, request: requests_pb2.GetRequest, caller: Caller) -> bytes:
        namespace, name = request.namespace, request.name
        caller(Attributes("get", kinds.POD, namespace, name, SCHEDULING))
        if request.at:
            value = await self._past.value(
                scheduling_record_key(namespace, name), request.at, caller
            )
            if value is None:
                what = pages.described(kinds.POD, namespace, name)
                raise RefusedError(
                    Code.NOT_FOUND, f"{what} had no scheduling record at {request.at}"
                )
            return value
        await pages.get(self._datastore, kinds.POD, namespace, name)
        record = await self._datastore.get(scheduling_record_key(namespace, name))
        if record is None:
            what = pages.described(kinds.POD, namespace, name)
            raise RefusedError(Code.NOT_FOUND, f"{what} has not been scheduled yet")
        return record.value
