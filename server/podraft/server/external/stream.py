"""One watch stream from etcd, as whole revisions.

Owns: the reassembly of fragments.  Invariant: what is yielded is complete up to the revision
yielded with it: every later event of the stream has a higher one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import grpc

from podraft.internal.etcd.v3 import etcd_pb2
from podraft.server.external.connection import EtcdConnection
from podraft.server.external.translation import from_etcd, to_etcd
from podraft.server.state.datastore import RevisionCompactedError


class StreamLostError(Exception):
    """The stream broke; resume from the last revision seen."""


async def changes(
    connection: EtcdConnection, span: tuple[bytes, bytes], after: int
) -> AsyncGenerator[tuple[int, list[etcd_pb2.WatchEvent]], None]:
    """Yield the changes in ``span`` after our revision ``after``, with our revision reached.

    The first item has no events: it shows that the watch is established.

    Raises:
        RevisionCompactedError: Events after ``after`` are gone.
        StreamLostError: The connection broke, or the member left its cluster's majority.
    """
    key, range_end = span
    # From `after` itself on, whose events are skipped: if `after` is compacted to the very
    request = etcd_pb2.WatchRequest(
        create_request=etcd_pb2.WatchCreateRequest(
            key=key,
            range_end=range_end,
            start_revision=to_etcd(after),
            prev_kv=True,
            fragment=True,
        )
    )
    member, call = connection.stream("etcdserverpb.Watch/Watch", etcd_pb2.WatchResponse)
    try:
        await call.write(request)
        unfinished: list[etcd_pb2.WatchEvent] = []
        async for response in call:
            if response.canceled:
                if response.compact_revision:
                    raise RevisionCompactedError(after, from_etcd(response.compact_revision))
                raise StreamLostError(response.cancel_reason or "etcd ended the watch")
            if response.created:
                yield after, []
            events = unfinished + [
                event for event in response.events if from_etcd(event.kv.mod_revision) > after
            ]
            unfinished = []
            if response.fragment and events:
                last = events[-1].kv.mod_revision
                unfinished = [event for event in events if event.kv.mod_revision == last]
                events = events[: len(events) - len(unfinished)]
            if events:
                yield from_etcd(events[-1].kv.mod_revision), events
        raise StreamLostError("etcd ended the stream")
    except grpc.aio.AioRpcError as error:
        connection.leave(member)
        raise StreamLostError(error.details() or str(error.code())) from None
    except asyncio.InvalidStateError:
        # gRPC raises this for a write to a call that ended before the write began.
        connection.leave(member)
        raise StreamLostError("etcd does not answer") from None
    except StreamLostError:
        connection.leave(member)
        raise
    finally:
        call.cancel()
