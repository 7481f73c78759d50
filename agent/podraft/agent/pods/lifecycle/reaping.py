"""Learning how a container ended, once its process is gone.

conmon tells Podman a moment after the end. If conmon itself was killed, Podman never learns of
the end: it shows the container as running for ever, and neither stops nor restarts it.

Invariant: the end is always learned, some seconds after it at the latest.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from podraft.agent.podman.client import PodmanClient, PodmanError
from podraft.agent.podman.core.records import ContainerRecord
from podraft.agent.pods.lifecycle.exits import is_alive

_LOG = logging.getLogger(__name__)

_PAUSES_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_KILLED = 137


async def until_ended(
    podman: PodmanClient, container_id: str, known: Callable[[str], ContainerRecord | None]
) -> ContainerRecord | None:
    """Return the record of a container once it no longer runs, or None if it was removed.

    ``known`` returns the record seen last; if there is none, the waiting ends too.
    """
    attempt = 0
    while (last := known(container_id)) is not None:
        try:
            record = await podman.inspect_container(container_id)
        except PodmanError:
            record = last
        if record is None or not record.running:
            return record
        if attempt >= len(_PAUSES_S) and not is_alive(record.pid, record.id):
            return await _bury(podman, record)
        await asyncio.sleep(_PAUSES_S[min(attempt, len(_PAUSES_S) - 1)])
        attempt += 1
    return None


async def _bury(podman: PodmanClient, record: ContainerRecord) -> ContainerRecord:
    _LOG.warning("nobody saw how container %s ended: its conmon is gone", record.name)
    try:
        await podman.remove_container(record.id)
    except PodmanError as error:
        _LOG.warning("cannot remove container %s: %s", record.name, error.message)
    return replace(record, state="exited", exit_code=_KILLED, finished_s=time.time())
