"""The methods of pods besides storing them: binding, explaining, logs, exec and ports.

Owns: the map from ``PodService``'s own methods to calls.
"""

from __future__ import annotations

from podraft.api import kinds
from podraft.api.core.v1 import scheduling_pb2
from podraft.api.meta.v1 import requests_pb2
from podraft.server.budgets.budget import Resource
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.reads.scheduling_records import SchedulingRecords
from podraft.server.registry.writes.operations import Bind, Evict
from podraft.server.registry.writes.writer import Writer
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods, stream_method, unary_methods
from podraft.server.rpc.services.relay import Relay


def pod_methods(
    writer: Writer, records: SchedulingRecords, relay: Relay, callers: Callers
) -> Methods:
    """Return the handlers of the methods that only ``PodService`` has."""

    async def bind(request: scheduling_pb2.BindPodRequest, caller: Caller) -> bytes:
        outcome = await writer.write((Bind(request),), caller, request_id=request.request_id)
        return outcome.encoded()

    async def evict(request: requests_pb2.DeleteRequest, caller: Caller) -> bytes:
        options = request.options
        outcome = await writer.write(
            (Evict(request),), caller, dry_run=options.dry_run, request_id=options.request_id
        )
        return outcome.encoded()

    service = f"/{kinds.POD.service}"
    methods = unary_methods(
        callers,
        {
            f"{service}/BindPod": (scheduling_pb2.BindPodRequest, bind),
            f"{service}/EvictPod": (requests_pb2.DeleteRequest, evict),
            f"{service}/GetPodSchedulingRecord": (requests_pb2.GetRequest, records.get),
        },
    )
    logs, exec_ = f"{service}/StreamPodLogs", f"{service}/ExecPod"
    forward = f"{service}/ForwardPodPort"
    return {
        **methods,
        logs: stream_method(callers, logs, Resource.STREAMS, relay.stream_logs),
        exec_: stream_method(callers, exec_, Resource.STREAMS, relay.exec),
        forward: stream_method(callers, forward, Resource.STREAMS, relay.forward),
    }
