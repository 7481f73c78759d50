"""How a watch begins and ends, as its request asks for it.

Owns: the meaning of a watch request's fields besides its selectors.  Invariant: pure; a request
whose fields contradict each other is refused rather than guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from podraft.api.meta.v1 import requests_pb2
from podraft.server.registry.errors import invalid
from podraft.server.registry.selection import revision_of

# A year: a longer one is a mistake.
_TIMEOUT_S_MAX: Final = 366 * 86_400


@dataclass(frozen=True, slots=True)
class WatchStart:
    """The beginning of a watch, and what it consists of.

    Attributes:
        revision: Changes after it are shown; with ``shows_objects``, what the objects must have
            reached.  0: the present one.
        shows_objects: Whether every object comes first.
        may_be_old: Whether the objects may be those that this server knows, however old.
        has_bookmarks: Whether bookmarks are sent.
        timeout_s: Seconds after which the stream ends; 0: never.
    """

    revision: int = 0
    shows_objects: bool = True
    may_be_old: bool = False
    has_bookmarks: bool = True
    timeout_s: int = 0


def changes_after(revision: int) -> WatchStart:
    """Return the beginning of a watch of the changes after ``revision``."""
    return WatchStart(revision, shows_objects=False)


def start_of(request: requests_pb2.WatchRequest) -> WatchStart:
    """Return how a watch begins.

    Raises:
        RefusedError: A field is malformed, or two contradict each other.
    """
    revision = revision_of(request.resource_version)
    if not 0 <= request.timeout_seconds <= _TIMEOUT_S_MAX:
        raise invalid("timeoutSeconds", f"must be 0 to {_TIMEOUT_S_MAX}")
    match request.resource_version_match:
        case requests_pb2.RESOURCE_VERSION_MATCH_UNSPECIFIED:
            pass
        case requests_pb2.RESOURCE_VERSION_MATCH_NOT_OLDER_THAN:
            if not request.HasField("send_initial_events"):
                raise invalid("resourceVersionMatch", "is allowed with sendInitialEvents only")
        case _:
            raise invalid("resourceVersionMatch", "of a watch must be NOT_OLDER_THAN or unset")
    shows_objects = not revision
    if request.HasField("send_initial_events"):
        shows_objects = request.send_initial_events
    return WatchStart(
        revision,
        shows_objects,
        may_be_old=shows_objects and request.resource_version == "0",
        has_bookmarks=not request.HasField("allow_watch_bookmarks")
        or request.allow_watch_bookmarks,
        timeout_s=request.timeout_seconds,
    )
