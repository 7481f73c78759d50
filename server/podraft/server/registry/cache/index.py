"""An index of one kind's objects, kept beside its cache.

Invariant: an index knows all objects, not only recent ones, and learns of each change before the
watchers do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from podraft.server.registry.cache.events import CachedEvent
from podraft.server.state.datastore import Record


class Index(Protocol):
    """What is known of all objects of one kind."""

    def replace(self, records: Iterable[Record]) -> None:
        """Replace all that is known with the objects that there are now."""

    def take(self, event: CachedEvent) -> None:
        """Apply one change."""
