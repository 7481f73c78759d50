"""What can go wrong in a group of members, beyond what a member alone knows.

Owns: these errors.  They are ``StoreFailedError`` for whoever does not care which.
"""

from __future__ import annotations

from podraft.server.state.datastore import StoreFailedError


class OutcomeUnknownError(StoreFailedError):
    """The leader was lost: the transaction may have taken effect or may yet do so."""


class NoLeaderError(StoreFailedError):
    """No leader was found in time; nothing was proposed or read.  Try again later."""
