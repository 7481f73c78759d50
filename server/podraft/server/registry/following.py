"""How the registry's copies of what is stored stay at the store's head.

Owns: which failures of a watch are waited out, and what happens after a gap.

Invariants: a copy takes every event after its revision, or begins again; nothing but the store's
own end, or that of its task, ends the following.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from podraft.server.state.datastore import (
    Datastore,
    EventBatch,
    RevisionCompactedError,
    SlowWatcherError,
    StoreFailedError,
    StoreUnavailableError,
)

_LOG = logging.getLogger(__name__)
_PAUSE_AFTER_FAILURE_S: Final = 0.2


class Copy(Protocol):
    """What is kept equal to a part of the store, as of ``revision``."""

    revision: int

    def take(self, batch: EventBatch) -> None:
        """Take over the events that follow, and their revision."""


async def follow(
    datastore: Datastore,
    prefix: bytes,
    copy: Copy,
    begin_again: Callable[[Exception], Awaitable[None]],
    what: str,
) -> None:
    """Keep ``copy`` at the store's head, until the store ends for good.

    ``begin_again`` is called, until it succeeds, when events after the copy's revision are lost.
    """
    gap: Exception | None = None
    while True:
        try:
            if gap is not None:
                await begin_again(gap)
                gap = None
            async for batch in datastore.watch(prefix, copy.revision):
                copy.take(batch)
        except (RevisionCompactedError, SlowWatcherError) as error:
            _LOG.warning("%s begins again: %s", what, error)
            gap = error
        except StoreUnavailableError:
            pass  # Another member may lead soon, or etcd be back.
        except StoreFailedError:
            return  # The process ends and says why.
        except Exception:  # noqa: BLE001 - whatever it was, later changes must become known
            _LOG.exception("%s could not be followed", what)
        await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)
