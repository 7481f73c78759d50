"""Commits: many writes, one transaction.

Owns: the bounds of their number and of their cost before any is planned.
"""

from __future__ import annotations

from typing import Final

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.kinds import KnownKinds
from podraft.server.registry import encoding
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.encoding import Warned
from podraft.server.registry.errors import Code, RefusedError, located
from podraft.server.registry.slices import Turns
from podraft.server.registry.writes.operations import of_write
from podraft.server.registry.writes.writer import Outcome, Writer

_WRITES_MAX: Final = 5000
# Of processor time: enough for that many writes, and what it unpacks is bounded in memory.
_UNPACKING_S: Final = 1.0
_TYPE_URL: Final = "type.googleapis.com/"


class Commits:
    """The executor of commits."""

    def __init__(self, writer: Writer, known: KnownKinds, turns: Turns) -> None:
        self._writer = writer
        self._known = known
        self._turns = turns

    async def commit(self, request: commit_pb2.CommitRequest, caller: Caller) -> bytes | Warned:
        """Carry out a commit's writes; return its encoded response.

        Raises:
            RefusedError: There are too many writes, or one is impossible; the error says which.
        """
        if len(request.writes) > _WRITES_MAX:
            raise RefusedError(
                Code.RESOURCE_EXHAUSTED,
                f"the commit has {len(request.writes)} writes; at most {_WRITES_MAX} are taken",
            )
        operations = []
        work = self._turns.work(caller.author, _UNPACKING_S)
        with work:
            for index, write in enumerate(request.writes):
                try:
                    operations.append(of_write(write, self._known))
                except RefusedError as error:
                    raise located(error, index) from None
                if work.is_long:
                    await work.pause()
        outcome = await self._writer.write(
            operations,
            caller,
            dry_run=request.options.dry_run,
            numbered=True,
            request_id=request.options.request_id,
            manager=request.options.field_manager,
        )
        answer = _commit_response(outcome, omit_objects=request.omit_objects)
        return await self._writer.warned(answer, operations, outcome, caller)


def _commit_response(outcome: Outcome, *, omit_objects: bool) -> bytes:
    revision = str(outcome.revision) if outcome.revision else ""
    head = commit_pb2.CommitResponse(resource_version=revision).SerializeToString()
    if omit_objects:
        return head
    parts = [head]
    for index, result in enumerate(outcome.results):
        type_url = _TYPE_URL + result.kind.message.DESCRIPTOR.full_name
        parts.append(encoding.encode_any(2, type_url, outcome.encoded(index)))
    return b"".join(parts)
