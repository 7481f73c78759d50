"""The wrapping of data keys, by a key file or by a key management service.

Owns: the contract of both.  Invariant: a data key reaches a disk only wrapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class EncryptionError(Exception):
    """Keys are missing, unusable or stored in an unsafe place; the message says what to do."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key that only a holder of the key-encryption key ``wrapped_by`` can use."""

    id: bytes
    wrapped_by: str
    wrapped: bytes


class KeyEncryption(Protocol):
    """A service that wraps and unwraps data keys; its methods block."""

    def prepare(self) -> None:
        """Make a first key-encryption key if there is none, unless the keys are made elsewhere.

        Raises:
            EncryptionError: There is none, and none can be made.
        """

    def wrap(self, identity: bytes, secret: bytes) -> WrappedKey:
        """Return the data key ``identity`` wrapped by the newest key-encryption key.

        Raises:
            EncryptionError: There is none.
        """

    def unwrap(self, key: WrappedKey) -> bytes:
        """Return the data key's secret.

        Raises:
            EncryptionError: The key-encryption key is missing, or ``key`` was altered.
        """
