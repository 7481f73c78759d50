"""Reading the last lines that a container wrote before it ended.

Invariant: bounded in time and bytes; lines that do not arrive soon are left out.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from podraft.api.core.v1 import pod_streams_pb2
from podraft.cli.sessions.connection import Session
from podraft.client.errors import ApiError

_LINES = 5
_WAIT_S = 2.0
_BYTES_MAX = 16 * 1024


async def last_words(session: Session, pod: Any, container: str) -> list[str]:
    """Return the last lines of a container; of its previous run, if it runs again."""
    request = pod_streams_pb2.StreamPodLogsRequest(
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        container=container,
        tail_lines=_LINES,
        previous=any(
            status.name == container and not status.state.HasField("terminated")
            for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
        ),
    )
    text = b""
    with contextlib.suppress(ApiError, TimeoutError):
        async with asyncio.timeout(_WAIT_S):
            async for data in session.client.pod_logs(request):
                text += data
                if len(text) > _BYTES_MAX:
                    break
    *whole, rest = text[:_BYTES_MAX].split(b"\n")
    # Only a newline ends a container's line.
    raw = [*whole, rest] if rest else whole
    return [line.decode(errors="replace") for line in raw[-_LINES:]]
