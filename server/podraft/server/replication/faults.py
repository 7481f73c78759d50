"""What can go wrong in a group of members, beyond what a member alone knows.

Owns: these errors.  They are ``StoreUnavailableError``: the call fails, the member goes on.
"""

from __future__ import annotations

from podraft.server.state.datastore import StoreUnavailableError


class OutcomeUnknownError(StoreUnavailableError):
    """The leader was lost: the transaction may have taken effect or may yet do so."""


class NoLeaderError(StoreUnavailableError):
    """No leader was found in time; nothing was proposed or read.  Try again later."""
