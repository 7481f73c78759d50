"""Leases that are never renewed: they limit how long etcd remembers that a request took effect.

Owns: the lease for what is written now.

Invariant: a key written with a lease lives for at least ``KEPT_S - _USED_S`` after the lease was
handed out.  A lease is used for only some seconds, as etcd removes all keys of one at once.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import grpc

from podraft.internal.etcd.v3 import etcd_pb2
from podraft.server.external.connection import EtcdConnection, refusal

KEPT_S: Final = 300
_USED_S: Final = 20.0


class RequestLease:
    """A source of leases; belongs to one event loop."""

    def __init__(self, connection: EtcdConnection) -> None:
        self._connection = connection
        self._granting = asyncio.Lock()
        self._lease = 0
        self._granted_s = 0.0

    async def current(self) -> int:
        """Return the lease for what is written now.

        Raises:
            StoreUnavailableError: etcd does not answer.
        """
        if self._is_young:
            return self._lease
        async with self._granting:
            if not self._is_young:
                began_s = time.monotonic()
                self._lease = await self._grant()
                self._granted_s = began_s
            return self._lease

    def forget(self, lease: int) -> None:
        """Stop using ``lease``, which etcd does not know."""
        if lease == self._lease:
            self._lease = 0

    @property
    def _is_young(self) -> bool:
        return self._lease != 0 and time.monotonic() - self._granted_s < _USED_S

    async def _grant(self) -> int:
        try:
            # Repeatable: an unused lease expires.
            answer = await self._connection.call(
                "etcdserverpb.Lease/LeaseGrant",
                etcd_pb2.LeaseGrantRequest(TTL=KEPT_S),
                etcd_pb2.LeaseGrantResponse,
                repeatable=True,
            )
        except grpc.aio.AioRpcError as error:
            raise refusal(error) from None
        return answer.ID
