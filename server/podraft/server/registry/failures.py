"""The translation of all other exceptions to refusals.

Owns: the table from the objects' and the store's exceptions to refusals.  Invariant: an unexpected
exception reaches the log with its traceback and the caller with an id only.
"""

from __future__ import annotations

import logging
import secrets

from podraft.api.violations import InvalidObjectError
from podraft.server.registry.errors import Code, RefusedError, from_violations
from podraft.server.state.datastore import (
    FutureRevisionError,
    RevisionCompactedError,
    SlowWatcherError,
    StoreFailedError,
    StoreOverloadedError,
    StoreUnavailableError,
    TransactionTooLargeError,
)

_LOG = logging.getLogger(__name__)


def translate(error: Exception) -> RefusedError:
    """Return the refusal that tells a caller about ``error``."""
    match error:
        case RefusedError():
            return error
        case InvalidObjectError():
            return from_violations(error.violations, more=error.more)
        case RevisionCompactedError():
            return RefusedError(Code.OUT_OF_RANGE, f"{error}: list again")
        case FutureRevisionError():
            return RefusedError(Code.OUT_OF_RANGE, f"{error}: list again")
        case StoreOverloadedError():
            return RefusedError(
                Code.RESOURCE_EXHAUSTED, "too many writes wait for the store; try again later"
            )
        case SlowWatcherError():
            return RefusedError(
                Code.UNAVAILABLE, "the watch fell behind; resume from the last event's revision"
            )
        case TransactionTooLargeError():
            return RefusedError(Code.RESOURCE_EXHAUSTED, str(error))
        case StoreUnavailableError():
            return RefusedError(Code.UNAVAILABLE, str(error))
        case StoreFailedError():
            _LOG.error("the store failed: %s", error)
            return RefusedError(Code.UNAVAILABLE, "the store has stopped; the outcome is unknown")
        case _:
            reference = secrets.token_hex(6)
            _LOG.error("unexpected failure id=%s", reference, exc_info=error)
            return RefusedError(
                Code.INTERNAL, f"internal error {reference}; the server's log has the details"
            )
