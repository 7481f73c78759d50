"""Whether a pod is being taken down, and since when.

Invariant: an end that has begun is never revoked; its moment is that of the first call.
"""

from __future__ import annotations

import asyncio
import time


class Ending:
    """A pod's end: requested by the API, or due because the API no longer knows the pod."""

    def __init__(self) -> None:
        self.since_s: float | None = None
        self.begun = asyncio.Event()

    def begin(self) -> None:
        """Note that the pod is to end; later calls change nothing."""
        if self.since_s is None:
            self.since_s = time.monotonic()
            self.begun.set()
