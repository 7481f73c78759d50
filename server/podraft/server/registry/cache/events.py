"""An event of the store, and the forms in which watchers get it.

Owns: how an event looks to a selection.  Invariant: an event is encoded at most once per type,
and its objects are decoded at most once, however many watch.
"""

from __future__ import annotations

from typing import Any

from podraft.server.registry import encoding, keys
from podraft.server.registry.cache.decoded import DecodedObjects
from podraft.server.registry.selection import Selection
from podraft.server.state.datastore import Event
from podraft.server.state.revisions import revision_suffix


class CachedEvent:
    """An event with its encodings by type and its decoded objects, as far as they were needed."""

    __slots__ = ("_after", "_before", "_encoded", "_objects", "event", "namespace")

    def __init__(self, event: Event, objects: DecodedObjects, *, namespaced: bool) -> None:
        self.event = event
        self.namespace = keys.namespace_of(event.key) if namespaced else ""
        self._objects = objects
        self._encoded: dict[int, bytes] = {}
        self._before: Any = None
        self._after: Any = None

    @property
    def size(self) -> int:
        """The bytes that the event keeps alive, roughly."""
        event = self.event
        before = event.previous.value if event.previous is not None else b""
        return len(event.value or b"") + len(before)

    @property
    def after(self) -> Any:
        """The object after the change; None if it was removed."""
        event = self.event
        if self._after is None and event.value is not None:
            self._after = self._objects.get(event.key, event.revision, event.value)
        return self._after

    @property
    def before(self) -> Any:
        """The object before the change; None if it is new."""
        previous = self.event.previous
        if self._before is None and previous is not None:
            self._before = self._objects.get(previous.key, previous.mod_revision, previous.value)
        return self._before

    def encoded_for(self, selection: Selection) -> bytes | None:
        """Return the event as ``selection`` sees it; None if it does not see it.

        An object that enters the selection is ADDED, one that leaves it DELETED.
        """
        event = self.event
        if selection.namespace and selection.namespace != self.namespace:
            return None
        was, is_now = event.previous is not None, event.value is not None
        if selection.looks_inside:
            was = was and selection.matches(self.before)
            is_now = is_now and selection.matches(self.after)
        if is_now:
            return self._encode(encoding.MODIFIED if was else encoding.ADDED)
        return self._encode(encoding.DELETED) if was else None

    def _encode(self, event_type: int) -> bytes:
        encoded = self._encoded.get(event_type)
        if encoded is None:
            event = self.event
            if event_type == encoding.DELETED:
                last = event.previous.value if event.previous is not None else b""
                value = last + revision_suffix(event.revision)
            else:
                value = event.value or b""
            encoded = self._encoded[event_type] = encoding.encode_event(event_type, value)
        return encoded
