"""Reads of single keys, several in one call to etcd.

Owns: the keys that wait to be read.  While calls are under way, the next one collects keys, as
group commit collects writes: a call costs etcd a round of its consensus and us most of a
millisecond, however few keys it asks for.

Invariant: every read is answered by a call that was sent after the read was asked for, and
so is as linearizable as the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final, TypeAlias

from podraft.internal.etcd.v3 import etcd_pb2
from podraft.server.state.datastore import StoreFailedError

# etcd takes 128 operations in a transaction unless it is told otherwise.
_KEYS_PER_CALL: Final = 64
_CALLS_AT_ONCE: Final = 2

Send: TypeAlias = Callable[[etcd_pb2.TxnRequest], Awaitable[etcd_pb2.TxnResponse]]
_Answer: TypeAlias = "asyncio.Future[etcd_pb2.KeyValue | None]"


class PointReads:
    """A collector of reads; ``send`` carries out a transaction that only reads."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: dict[bytes, list[_Answer]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._scheduled = False

    async def get(self, key: bytes) -> etcd_pb2.KeyValue | None:
        """Return what etcd has at ``key``, None if it has nothing."""
        loop = asyncio.get_running_loop()
        answer: _Answer = loop.create_future()
        self._waiting.setdefault(key, []).append(answer)
        if not self._scheduled:
            # At the end of this turn of the loop, so that all of its reads share a call.
            self._scheduled = True
            loop.call_soon(self._dispatch)
        return await answer

    def _dispatch(self) -> None:
        self._scheduled = False
        while self._waiting and len(self._calls) < _CALLS_AT_ONCE:
            keys = list(islice(self._waiting, _KEYS_PER_CALL))
            batch = {key: self._waiting.pop(key) for key in keys}
            call = asyncio.ensure_future(self._read(batch))
            self._calls.add(call)
            call.add_done_callback(self._ended)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._dispatch()

    async def _read(self, batch: dict[bytes, list[_Answer]]) -> None:
        request = etcd_pb2.TxnRequest()
        for key in batch:
            request.success.add().request_range.key = key
        try:
            response = await self._send(request)
            for answers, found in zip(batch.values(), response.responses, strict=True):
                kvs = found.response_range.kvs
                for answer in answers:
                    if not answer.done():
                        answer.set_result(kvs[0] if kvs else None)
        except Exception as error:  # noqa: BLE001 - it is handed on to all who asked
            _refuse(batch, error)
        finally:
            # The call was cancelled, because the connection was closed.
            _refuse(batch, StoreFailedError("the store is closed"))


def _refuse(batch: dict[bytes, list[_Answer]], error: Exception) -> None:
    for answers in batch.values():
        for answer in answers:
            if not answer.done():
                answer.set_exception(error)
