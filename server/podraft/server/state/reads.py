"""How new a read is: as new as everything that was committed, or as the one who answers knows.

Owns: the protocols of reads that differ in it.

Invariant: nobody gets an old answer who did not ask for it.
"""

from __future__ import annotations

from typing import Protocol

from podraft.server.state.datastore import Page, Record


class Reads(Protocol):
    """Reads of a store; every ``Datastore`` is one, whose reads are never old."""

    async def get(self, key: bytes) -> Record | None:
        """Return the newest record of ``key``."""

    async def range(
        self, prefix: bytes, *, start_after: bytes = b"", limit: int = 0, revision: int = 0
    ) -> Page:
        """Return the records below ``prefix``, at one revision."""


class AppliedReads(Protocol):
    """Reads of a store that otherwise asks others, at every read, for a proof that it is new."""

    @property
    def applied(self) -> Reads:
        """Reads that ask nobody: what they see was so a moment ago, or longer."""

    async def current(self) -> Reads:
        """Return reads that see at least what was committed at this call."""
