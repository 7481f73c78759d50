"""Reads of stored objects in another form: views of kinds.

Owns: how answers that hold a stored kind's bytes become answers that hold a view's.

Invariant: whoever may read the stored kind, and nobody else, may read the view.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from podraft.api.meta.v1 import meta_pb2, requests_pb2
from podraft.api.views import View
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.encoding import Costly, Parts, encode_list
from podraft.server.registry.reads.objects import ObjectReads
from podraft.server.registry.slices import Turns, Work


class ViewReads:
    """Reads in the form of a view."""

    def __init__(self, reads: ObjectReads, turns: Turns) -> None:
        self._reads = reads
        self._turns = turns

    async def get(self, view: View, request: requests_pb2.GetRequest, caller: Caller) -> bytes:
        """Return an object's bytes.

        Raises:
            RefusedError: There is none, or the caller may not read it.
        """
        return shown(view, await self._reads.get(view.of, request, caller))

    async def list(self, view: View, request: requests_pb2.ListRequest, caller: Caller) -> Costly:
        """Return one page of objects as an encoded list.

        Raises:
            RefusedError: The request is malformed, or the caller may not make it.
        """
        request.field_selector = view.stored_selector(request.field_selector)
        return Costly(partial(self._listed, view, request, caller))

    async def _listed(self, view: View, request: requests_pb2.ListRequest, caller: Caller) -> Parts:
        form = partial(_as_list, view, self._turns.work(caller.author))
        answer = await self._reads.list(view.of, request, caller, form)
        return await answer.make() if isinstance(answer, Costly) else answer

    @asynccontextmanager
    async def watch(
        self, view: View, request: requests_pb2.WatchRequest, caller: Caller
    ) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """Return a watch's responses, as the stored kind's watch does.

        Raises:
            RefusedError: The request is malformed, or the caller may not make it (any more).
        """
        request.field_selector = view.stored_selector(request.field_selector)
        async with self._reads.watch(view.of, request, caller) as responses:
            yield _shown_changes(view, responses)


def shown(view: View, value: bytes) -> bytes:
    """Return a stored object's bytes in the form of a view."""
    encoded: bytes = view.shown(view.of.message.FromString(value)).SerializeToString()
    return encoded


async def _as_list(
    view: View, work: Work, values: Sequence[bytes], metadata: meta_pb2.ListMeta
) -> Parts:
    items = []
    with work:
        for value in values:
            items.append(shown(view, value))
            if work.is_long:
                await work.pause()
    return encode_list(items, metadata)


async def _shown_changes(
    view: View, responses: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    async for response in responses:
        stored: Any = view.of.watch_response.FromString(response)
        changes: Any = view.kind.watch_response()
        for change in stored.events:
            changes.events.add(type=change.type, object=view.shown(change.object))
        yield changes.SerializeToString()
