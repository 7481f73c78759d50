"""A node that was removed from its cluster learns it from the API, which says so for good.

Invariant: nothing but that word ends a node: an expired certificate, a server that is away or a
clock that is wrong do not.
"""

from __future__ import annotations

from podraft.client.errors import ApiError, UnauthenticatedError


class RemovedError(Exception):
    """The cluster says that this machine is no node of it any more; the message is its own."""


def is_removal(error: ApiError) -> bool:
    """Say whether the API refuses this node for good."""
    told = any(violation.field == "node" for violation in error.violations)
    return isinstance(error, UnauthenticatedError) and told
