"""How new a read is: as new as everything that was committed, or as this member knows.

Invariant: nobody gets an old answer who did not ask for it.
"""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

from podraft.server.state.datastore import Datastore, Page, Record

# Any key serves: every read that is not allowed to be old asks how far the others are.
_ANY_KEY: Final = b"_cluster/id"


class Reads(Protocol):
    """Reads of a store."""

    async def get(self, key: bytes) -> Record | None:
        """Return the newest record of ``key``."""

    async def range(
        self, prefix: bytes, *, start_after: bytes = b"", limit: int = 0, revision: int = 0
    ) -> Page:
        """Return the records below ``prefix``, at one revision."""


@runtime_checkable
class AsksOthers(Protocol):
    """A store whose every read asks others for a proof that it is new."""

    @property
    def applied(self) -> Reads:
        """Reads that ask nobody: what they see was so a moment ago, or longer."""

    async def current(self) -> Reads:
        """Return reads that see at least what was committed at this call."""


def reads_of(datastore: Datastore, *, allow_stale: bool) -> Reads:
    """Return the reads of a store: if they may be old, those that need nobody else."""
    if allow_stale and isinstance(datastore, AsksOthers):
        return datastore.applied
    return datastore


async def newest_revision(datastore: Datastore) -> int:
    """Return a revision that is at least as new as everything that was committed at this call."""
    await datastore.get(_ANY_KEY)
    return datastore.revision
