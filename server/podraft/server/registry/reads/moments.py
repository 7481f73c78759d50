"""How new a list is, as its request asks for it.

Owns: the meaning of ``resource_version`` and ``resource_version_match``, as Kubernetes has it.
Invariant: pure; fields that contradict each other are refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from podraft.api.meta.v1 import requests_pb2
from podraft.server.registry.errors import invalid
from podraft.server.registry.selection import revision_of
from podraft.server.state.datastore import FutureRevisionError


@dataclass(frozen=True, slots=True)
class ListMoment:
    """The moment that a list shows.

    Attributes:
        exact: The very revision; 0: none is asked for.
        reached: The revision that must have been reached; 0: everything written before the call.
        may_be_old: Whether the list may be what this server knows, however old.
    """

    exact: int = 0
    reached: int = 0
    may_be_old: bool = False

    def check(self, revision: int) -> None:
        """Check that a list of ``revision`` is new enough.

        Raises:
            FutureRevisionError: It is not.
        """
        if revision < self.reached:
            raise FutureRevisionError(self.reached, revision)


def moment_of(request: requests_pb2.ListRequest) -> ListMoment:
    """Return the moment that a list shows.

    Raises:
        RefusedError: A field is malformed, or two contradict each other.
    """
    text, match = request.resource_version, request.resource_version_match
    if not text:
        if match:
            raise invalid("resourceVersionMatch", "is allowed with resourceVersion only")
        return ListMoment(may_be_old=request.allow_stale)
    revision = revision_of(text)
    if request.continue_token:
        raise invalid("resourceVersion", "must be empty with continueToken, which has one")
    if request.at:
        raise invalid("resourceVersion", "must be empty with at")
    match match:
        case requests_pb2.RESOURCE_VERSION_MATCH_EXACT:
            is_exact = True
        case requests_pb2.RESOURCE_VERSION_MATCH_NOT_OLDER_THAN:
            is_exact = False
        case requests_pb2.RESOURCE_VERSION_MATCH_UNSPECIFIED:
            is_exact = bool(request.limit and revision)
        case _:
            raise invalid("resourceVersionMatch", "must be EXACT, NOT_OLDER_THAN or unset")
    if is_exact and not revision:
        raise invalid("resourceVersion", "must not be 0 with EXACT")
    if is_exact:
        return ListMoment(exact=revision)
    return ListMoment(reached=revision, may_be_old=not revision or request.allow_stale)
