"""Lists as tables, made of the same columns as the command line's.

Owns: how objects become a table's rows.  Invariant: rows are made in slices, so that a long table
holds nobody up.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from podraft.api.cluster.v1 import table_pb2
from podraft.api.columns import row_of, table_of
from podraft.api.kinds import AnyKind, KnownKinds
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import shown
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.encoding import Answer, Costly, Parts
from podraft.server.registry.errors import invalid
from podraft.server.registry.reads.objects import ObjectReads
from podraft.server.registry.slices import Turns, Work

_TYPE_URL: Final = "type.googleapis.com/"


class Tables:
    """The lists of all kinds, as tables."""

    def __init__(self, reads: ObjectReads, known: KnownKinds, turns: Turns) -> None:
        self._reads = reads
        self._known = known
        self._turns = turns

    async def list(self, request: table_pb2.ListTableRequest, caller: Caller) -> Answer:
        """Return one page of objects as an encoded ``Table``.

        Raises:
            RefusedError: The request is malformed, or the caller may not make it.
        """
        kind = self._known.by_manifest(request.api_version, request.kind)
        if kind is None:
            text = f"{shown(request.kind)} in {shown(request.api_version)} is no stored kind"
            raise invalid("kind", text)
        if "list" not in kind.verbs:
            raise invalid("kind", f"{kind.resource} cannot be listed")
        if request.rows not in table_pb2.TableRows.values():
            raise invalid("rows", "is none of the known values")
        return Costly(partial(self._made, kind, request, caller))

    async def _made(
        self, kind: AnyKind, request: table_pb2.ListTableRequest, caller: Caller
    ) -> Parts:
        form = partial(_as_table, kind, request.rows, self._turns.work(caller.author))
        answer = await self._reads.list(kind, request.list, caller, form)
        return await answer.make() if isinstance(answer, Costly) else answer


async def _as_table(
    kind: AnyKind,
    wanted: table_pb2.TableRows,
    work: Work,
    values: Sequence[bytes],
    metadata: meta_pb2.ListMeta,
) -> Parts:
    layout, now_s = table_of(kind), time.time()
    table = table_pb2.Table(metadata=metadata)
    for column in layout.columns:
        table.columns.add(name=column.header, wide=column.wide, is_status=column.is_status)
    objects = []
    with work:
        for value in values:
            objects.append((kind.message.FromString(value), value))
            if work.is_long:
                await work.pause()
        if layout.order is not None:
            order = layout.order
            objects.sort(key=lambda pair: order(pair[0]))
        for obj, value in objects:
            row = table.rows.add(cells=row_of(layout.columns, obj, now_s))
            if wanted == table_pb2.TABLE_ROWS_WITH_METADATA:
                row.metadata.CopyFrom(obj.metadata)
            elif wanted == table_pb2.TABLE_ROWS_WITH_OBJECTS:
                row.object.type_url = _TYPE_URL + kind.message_name
                row.object.value = value
            if work.is_long:
                await work.pause()
    return Parts([table.SerializeToString()])
