"""Sealing: encryption that makes bytes at rest unreadable and unforgeable.

Owns: the form of a sealed value (AES-256-GCM, tag included in the ciphertext):

    data key's id 8 | salt 8 | nonce 12 | ciphertext, 16 longer than the plaintext

A data key encrypts nothing itself: each sealer derives a key of its own from it and a random salt
(HKDF-SHA-256), and takes a new salt long before random nonces of 96 bits could repeat: after
2**26 values two nonces are equal with a probability below 2**-44.

Invariant: a value opens only in the context in which it was sealed (what it is, and its place), so
that an attacker who can write to the disk cannot put it in the place of another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 8
_SALT_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_NONCE_START: Final = KEY_ID_BYTES + _SALT_BYTES
_HEAD_BYTES: Final = _NONCE_START + _NONCE_BYTES
# How many bytes longer a value becomes.
OVERHEAD_BYTES: Final = _HEAD_BYTES + 16
_SEALED_MAX: Final = 1 << 26
# Each start of a server adds a derived key; one that was dropped is derived again when needed.
_CIPHERS_MAX: Final = 1024
_PURPOSE: Final = b"podraft sealing 1"

_Decrypt: TypeAlias = Callable[[bytes, bytes, bytes | None], bytes]


class SealError(Exception):
    """Bytes that were not sealed in this form or context, were altered, or need another key."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key from which the keys of sealers are derived."""

    id: bytes
    secret: bytes = field(repr=False)


def new_data_key() -> DataKey:
    """Return a random key."""
    return DataKey(os.urandom(KEY_ID_BYTES), os.urandom(KEY_BYTES))


class Sealer:
    """A sealer: it seals with the active data key and opens with all it knows.  For any thread."""

    def __init__(self, active: DataKey, others: Iterable[DataKey] = ()) -> None:
        self._keys: dict[bytes, bytes] = {}
        self._opening: dict[bytes, _Decrypt] = {}
        self.know(others)
        self.use(active)

    def know(self, keys: Iterable[DataKey]) -> None:
        """Accept values that were sealed with ``keys``, too."""
        self._keys = {**self._keys, **{key.id: key.secret for key in keys}}

    def use(self, key: DataKey) -> None:
        """Seal with ``key`` from now on."""
        self.know((key,))
        self._active = key.id
        self._begin()

    @property
    def active_id(self) -> bytes:
        """The id of the data key that seals now."""
        return self._active

    def _begin(self) -> None:
        head = self._active + os.urandom(_SALT_BYTES)
        self._sealed = 0
        # Replaced together, so that no thread mixes an old head with a new key.
        self._sealing = (head, self._derived(head).encrypt)

    def seal(self, value: bytes, context: bytes) -> bytes:
        """Return ``value`` sealed for ``context``."""
        self._sealed += 1
        if self._sealed > _SEALED_MAX:
            self._begin()
        head, encrypt = self._sealing
        nonce = os.urandom(_NONCE_BYTES)
        return head + nonce + encrypt(nonce, value, context)

    def open(self, sealed: bytes, context: bytes, start: int = 0) -> bytes:
        """Return the plaintext of ``sealed`` from offset ``start`` on, sealed for ``context``.

        Raises:
            SealError: It was not sealed for ``context``, or its key is not known.
        """
        nonce, ciphertext = start + _NONCE_START, start + _HEAD_BYTES
        head = sealed[start:nonce]
        decrypt = self._opening.get(head) or self._remembered(head)
        try:
            return decrypt(sealed[nonce:ciphertext], sealed[ciphertext:], context)
        except (InvalidTag, ValueError):
            raise SealError("the bytes were altered, or belong to another place") from None

    def _remembered(self, head: bytes) -> _Decrypt:
        decrypt = self._derived(head).decrypt
        if len(self._opening) >= _CIPHERS_MAX:
            self._opening = {}
        self._opening[head] = decrypt
        return decrypt

    def _derived(self, head: bytes) -> AESGCM:
        identity, salt = head[:KEY_ID_BYTES], head[KEY_ID_BYTES:]
        secret = self._keys.get(identity)
        if len(salt) < _SALT_BYTES:
            raise SealError("the bytes are cut off")
        if secret is None:
            raise SealError(f"the bytes need data key {identity.hex()}, which is not known here")
        derive = HKDF(SHA256(), KEY_BYTES, salt=salt, info=_PURPOSE)
        return AESGCM(derive.derive(secret))


def key_of(sealed: bytes) -> bytes:
    """Return the id of the data key that ``sealed`` needs."""
    return sealed[:KEY_ID_BYTES]
