"""What can go wrong in a group of members, beyond what a member alone knows.

Owns: these errors.  If they are ``StoreUnavailableError``, the call fails and the member goes on.
"""

from __future__ import annotations

from podraft.server.state.datastore import StoreFailedError, StoreUnavailableError


class OutcomeUnknownError(StoreUnavailableError):
    """The leader was lost: the transaction may have taken effect or may yet do so."""


class NoLeaderError(StoreUnavailableError):
    """No leader was found in time; nothing was proposed or read.  Try again later."""


class MemberDismissedError(StoreFailedError):
    """The others do not let this member take part any more; the process must end."""


class SnapshotError(Exception):
    """A snapshot cannot be sent or is not what was announced; the message says why."""
