"""The freshness of reads: up to everything committed, or up to what the answering member knows.

Owns: the protocols of reads that differ in their freshness.

Invariant: only a caller who asked for it gets an old answer.
"""

from __future__ import annotations

from typing import Protocol

from podraft.server.state.datastore import Page, Record


class Reads(Protocol):
    """Reads of a store; every ``Datastore`` provides them, and its reads are never old."""

    async def get(self, key: bytes) -> Record | None:
        """Return the newest record of ``key``."""

    async def range(
        self, prefix: bytes, *, start_after: bytes = b"", limit: int = 0, revision: int = 0
    ) -> Page:
        """Return the records below ``prefix``, at one revision."""


class AppliedReads(Protocol):
    """Reads of a store that otherwise asks others, at every read, for proof that it is current."""

    @property
    def applied(self) -> Reads:
        """Reads that ask no other member: they see the state of a moment ago, or an older one."""

    async def current(self) -> Reads:
        """Return reads that see at least everything committed before this call."""
