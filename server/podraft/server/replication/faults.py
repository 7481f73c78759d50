"""The errors of a group of members, beyond those of a single member.

Owns: these errors.  After a ``StoreUnavailableError`` the call fails and the member goes on.
"""

from __future__ import annotations

from podraft.server.state.datastore import StoreFailedError, StoreUnavailableError


class OutcomeUnknownError(StoreUnavailableError):
    """The leader was lost: the transaction may have taken effect or may yet do so."""


class NoLeaderError(StoreUnavailableError):
    """No leader was found in time; nothing was proposed or read.  Try again later."""


class MemberDismissedError(StoreFailedError):
    """The others no longer let this member take part; the process must end."""


class SnapshotError(Exception):
    """A snapshot cannot be sent or is not the announced one; the message says why."""
