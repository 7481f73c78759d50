"""The newest revision, whichever member is asked.

Invariant: it is never below what was committed before the question.
"""

from __future__ import annotations

from typing import Final

from podraft.server.state.datastore import Datastore

# Any key serves: every read that must not be stale asks how far the other members are.
_ANY_KEY: Final = b"_cluster/id"


async def newest_revision(datastore: Datastore) -> int:
    """Return a revision that is at least as new as all that was committed before this call."""
    await datastore.get(_ANY_KEY)
    return datastore.revision
