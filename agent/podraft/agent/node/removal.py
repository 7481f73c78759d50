"""Removal from the cluster: a node learns of it from the API, which says so for good.

Invariant: only the API's word ends a node; an expired certificate, an absent server or a wrong
clock does not.
"""

from __future__ import annotations

from podraft.client.errors import ApiError, UnauthenticatedError


class RemovedError(Exception):
    """The cluster says that this machine is no node of it any more; the message is its own."""


def is_removal(error: ApiError) -> bool:
    """Return whether the API refuses this node for good."""
    told = any(violation.field == "node" for violation in error.violations)
    return isinstance(error, UnauthenticatedError) and told
