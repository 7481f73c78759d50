"""Storing decisions: many pods in one transaction, past the ones that fail.

Owns: the treatment of a batch whose transaction the API refuses.  Invariant: every
decision of a batch is stored or reported as dropped, whatever happens; while
the outcome is unknown the same writes are sent again, which is harmless because
binding a pod to the node that it already has changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from podraft.api.cluster.v1.commit_pb2 import Write
from podraft.client.backoff import Backoff
from podraft.client.errors import ApiError, OverloadedError, UnavailableError
from podraft.server.scheduling.core.schedule import Decision
from podraft.server.scheduling.queue import Entry

_LOG = logging.getLogger(__name__)
_INDEX: Final = re.compile(r"writes\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Binding:
    """One decision on its way into the store."""

    entry: Entry
    decision: Decision
    write: Write


async def store(
    bindings: Sequence[Binding],
    commit: Callable[[Sequence[Write]], Awaitable[object]],
    dropped: Callable[[Binding, ApiError], None],
) -> None:
    """Commit ``bindings``, all at once if possible, and report those that fail.

    Returns when each is stored or dropped; waits as long as the API is away.
    """
    pending = [list(bindings)]
    backoff = Backoff()
    while pending:
        batch = pending.pop()
        if not batch:
            continue
        try:
            await commit([binding.write for binding in batch])
            backoff.reset()
        except UnavailableError as error:
            _LOG.info("binding %d pods: %s; trying again", len(batch), error)
            pending.append(batch)
            await asyncio.sleep(backoff.next_pause_s())
        except ApiError as error:
            if isinstance(error, OverloadedError):
                await asyncio.sleep(backoff.next_pause_s())
            pending.extend(_without_offender(batch, error, dropped))


def _without_offender(
    batch: list[Binding], error: ApiError, dropped: Callable[[Binding, ApiError], None]
) -> list[list[Binding]]:
    """Return the batches to commit instead of a refused ``batch``, the last one first.

    The writes before the offender were found good, so they go alone: however many
    offenders there are, a write is tried a few times at most.
    """
    index = _offender(error, len(batch))
    if index is None and len(batch) > 1:
        middle = len(batch) // 2
        return [batch[middle:], batch[:middle]]
    dropped(batch[index or 0], error)
    return [batch[(index or 0) + 1 :], batch[: index or 0]]


def _offender(error: ApiError, size: int) -> int | None:
    """Return the index of the write that the API names, if it names one."""
    for text in (*(violation.field for violation in error.violations), error.message):
        match = _INDEX.match(text)
        if match is not None and int(match[1]) < size:
            return int(match[1])
    return None
