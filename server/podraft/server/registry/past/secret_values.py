"""Secrets as history may show them: which keys there were, never the values.

Owns: the keyed hash that stands for a value, and when two states of a Secret say the same.
Invariants: whoever lacks the cluster's key learns nothing from a hash but whether two values
are equal; what ``kubectl apply`` noted of the object holds its values too, and is hidden too.
"""

from __future__ import annotations

import hmac
from typing import Final

from podraft.api.core.v1.config_pb2 import Secret
from podraft.api.objects.well_known import KUBECTL_LAST_APPLIED

PREFIX: Final = b"hmac-sha256:"
_HASH_CHARACTERS: Final = 16


class SecretHashes:
    """Replaces values by hashes; every member of a cluster makes the same ones."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hidden(self, secret: Secret) -> Secret:
        """Return a copy that shows a hash in place of each value."""
        copy = Secret()
        copy.CopyFrom(secret)
        for key, value in secret.data.items():
            copy.data[key] = self._hash(key, value)
        copy.ClearField("string_data")
        annotations = copy.metadata.annotations
        if KUBECTL_LAST_APPLIED in annotations:
            hidden = self._hash(
                KUBECTL_LAST_APPLIED,
                annotations[KUBECTL_LAST_APPLIED].encode(),
            )
            annotations[KUBECTL_LAST_APPLIED] = hidden.decode()
        return copy

    def hidden_bytes(self, value: bytes) -> bytes:
        """Return ``hidden`` of an encoded Secret."""
        return self.hidden(Secret.FromString(value)).SerializeToString()

    def _hash(self, name: str, value: bytes) -> bytes:
        # The name is part of it, so that equal values of different keys do not show.
        digest = hmac.new(self._key, name.encode() + b"\0" + value, "sha256").hexdigest()
        return PREFIX + digest[:_HASH_CHARACTERS].encode()


def values_are_current(past: Secret, current: Secret | None) -> bool:
    """Whether ``past`` holds no value that ``current`` (None: it is gone) does not hold."""
    if current is None:
        return not past.data and KUBECTL_LAST_APPLIED not in past.metadata.annotations
    if any(current.data.get(key) != value for key, value in past.data.items()):
        return False
    applied = past.metadata.annotations.get(KUBECTL_LAST_APPLIED)
    return applied is None or applied == current.metadata.annotations.get(KUBECTL_LAST_APPLIED)
