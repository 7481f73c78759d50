"""Objects as history may show them: which secret values there were, never the values.

Owns: the keyed hash that stands for a value.  The room of a kind says where the values are in an
object.  Invariant: a reader without the cluster's key learns nothing from a hash but whether two
values are equal.
"""

from __future__ import annotations

import hmac
from typing import Final

from google.protobuf.message import Message

from podraft.api.kinds import AnyKind
from podraft.server.kinds.rooms import rules_of

PREFIX: Final = b"hmac-sha256:"
_HASH_CHARACTERS: Final = 16


class SecretHashes:
    """The hashes in place of values; they are the same on every member of a cluster."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hidden(self, kind: AnyKind, value: bytes) -> bytes:
        """Return an encoded object with a hash in place of each secret value."""
        secrecy = rules_of(kind).secrecy
        if secrecy is None:
            return value
        hidden: Message = secrecy.hidden(kind.message.FromString(value), self._hash)
        return hidden.SerializeToString()

    def _hash(self, name: str, value: bytes) -> bytes:
        # The name is part of the hash, so that equal values of different keys do not show.
        digest = hmac.new(self._key, name.encode() + b"\0" + value, "sha256").hexdigest()
        return PREFIX + digest[:_HASH_CHARACTERS].encode()
