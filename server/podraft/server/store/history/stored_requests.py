"""A remembered request in the history file.

    revision u64  ->  time_ms u64 | sealed: request, 16 bytes | digest, 16 bytes or none

Invariant: the digest of a request's content, which would tell a right guess of a value from a
wrong one, is never stored in the clear.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from podraft.server.encryption.sealing import Sealer, SealError, key_of
from podraft.server.state.requests import REQUEST_BYTES, AppliedRequest
from podraft.server.store.history.versions import HistoryFormatError

_NUMBER = Struct(">Q")
_CONTEXT: Final = b"request\0"


class StoredRequests:
    """The encoding and decoding of remembered requests."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def stored(self, applied: AppliedRequest) -> tuple[bytes, bytes]:
        """Return the key and value of the entry for ``applied``."""
        name, time = _NUMBER.pack(applied.revision), _NUMBER.pack(applied.time_ms)
        value = applied.request + applied.digest
        return name, time + self._sealer.seal(value, _CONTEXT + name + time)

    def request(self, name: bytes, stored: bytes) -> AppliedRequest:
        """Return the request that an entry holds.

        Raises:
            HistoryFormatError: The entry was altered, or its data key is not known here.
        """
        time, sealed = stored[: _NUMBER.size], stored[_NUMBER.size :]
        try:
            value = self._sealer.open(sealed, _CONTEXT + name + time)
        except SealError as error:
            revision = int.from_bytes(name, "big")
            raise HistoryFormatError(f"the request of revision {revision}: {error}") from None
        return from_unsealed(name, time + value)

    def resealed(self, name: bytes, stored: bytes) -> bytes | None:
        """Return the entry sealed with the active key; None if it is already sealed with it."""
        if key_of(stored[_NUMBER.size :]) == self._sealer.active_id:
            return None
        return self.stored(self.request(name, stored))[1]


def from_unsealed(name: bytes, stored: bytes) -> AppliedRequest:
    """Return the request of an entry of layout 1, in which nothing was sealed."""
    (revision,), (time_ms,) = _NUMBER.unpack(name), _NUMBER.unpack_from(stored)
    digest_at = _NUMBER.size + REQUEST_BYTES
    return AppliedRequest(stored[_NUMBER.size : digest_at], revision, time_ms, stored[digest_at:])
