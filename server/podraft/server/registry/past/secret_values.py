"""Objects as history may show them: which secret values there were, never the values.

Owns: the keyed hash that stands for a value.  Where values are in an object, its kind's room
says.  Invariant: whoever lacks the cluster's key learns nothing from a hash but whether two values
are equal.
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
    """Replaces values by hashes; every member of a cluster makes the same ones."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hidden(self, kind: AnyKind, value: bytes) -> bytes:
        """Return an encoded object with a hash in place of each value that is secret."""
        secrecy = rules_of(kind).secrecy
        if secrecy is None:
            return value
        hidden: Message = secrecy.hidden(kind.message.FromString(value), self._hash)
        return hidden.SerializeToString()

    def _hash(self, name: str, value: bytes) -> bytes:
        # The name is part of it, so that equal values of different keys do not show.
        digest = hmac.new(self._key, name.encode() + b"\0" + value, "sha256").hexdigest()
        return PREFIX + digest[:_HASH_CHARACTERS].encode()
