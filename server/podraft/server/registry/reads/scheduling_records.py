"""Scheduling records, which explain why a pod is where it is, now or at a moment.

Invariant: a pod's record outlives neither the pod nor its name's next owner.
"""

from __future__ import annotations

from podraft.api import kinds
from podraft.api.meta.v1 import requests_pb2
from podraft.server.auth.authorize import SCHEDULING, Attributes
from podraft.server.kinds.core.pod.room import scheduling_record_key
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.past.past_reads import PastReads
from podraft.server.registry.targets import described, existing
from podraft.server.state.datastore import Datastore


class SchedulingRecords:
    """Reads of scheduling records."""

    def __init__(self, datastore: Datastore, past_reads: PastReads) -> None:
        self._datastore = datastore
        self._past_reads = past_reads

    async def get(self, request: requests_pb2.GetRequest, caller: Caller) -> bytes:
        """Return a pod's encoded record.

        Raises:
            RefusedError: There is none, or the caller may not read it.
        """
        namespace, name = request.namespace, request.name
        caller(Attributes("get", kinds.POD, namespace, name, SCHEDULING))
        key, what = scheduling_record_key(namespace, name), described(kinds.POD, namespace, name)
        if request.at:
            value = await self._past_reads.value(key, request.at, caller)
            if value is None:
                raise RefusedError(
                    Code.NOT_FOUND, f"{what} had no scheduling record at {request.at}"
                )
            return value
        await existing(self._datastore, kinds.POD, namespace, name)
        record = await self._datastore.get(key)
        if record is None:
            raise RefusedError(Code.NOT_FOUND, f"{what} has not been scheduled yet")
        return record.value
