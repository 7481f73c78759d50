"""The registry of users: which keys may speak for which name.

Owns: the names that users can have, the stored form of a user's entry and what follows from it.

Invariants: a name that has an entry belongs to the keys in it and to no others; an entry stays
until every certificate that it refuses has expired.  Pure: time is passed in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Final

from podraft.server.auth.identity import ADMIN, COMMON_NAME_LENGTH_MAX
from podraft.server.auth.lifetimes import CLIENT_LIFETIME

PREFIX: Final = b"_cluster/users/"
LIFETIME_S_DEFAULT: Final = 90 * 86_400
LIFETIME_S_MIN: Final = 60
LIFETIME_S_MAX: Final = int(CLIENT_LIFETIME.total_seconds())
KEYS_MAX: Final = 16
GROUPS_MAX: Final = 16
# Clocks may differ.
_LONGER_S: Final = 86_400
_RESERVED_PREFIX: Final = "system:"
_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._@+:]*")


@dataclass(frozen=True, slots=True)
class UserRecord:
    """One name's entry.

    ``keys``: the fingerprints of the keys that may speak for the user, and until when, in seconds.
    ``until_s``: the end of the last certificate that there may be, refused ones included.
    """

    keys: dict[str, int]
    groups: tuple[str, ...] = ()
    created_by: str = ""
    created_at_s: int = 0
    revoked_at_s: int = 0
    until_s: int = 0

    def encode(self) -> bytes:
        """Return the stored form."""
        entry: dict[str, Any] = {
            "keys": self.keys,
            "groups": list(self.groups),
            "createdBy": self.created_by,
            "createdAt": self.created_at_s,
            "revokedAt": self.revoked_at_s,
            "until": self.until_s,
        }
        return json.dumps(entry).encode()

    @classmethod
    def decode(cls, stored: bytes) -> UserRecord:
        """Return the record that `encode` stored."""
        entry = json.loads(stored)
        return cls(
            dict(entry["keys"]),
            tuple(entry["groups"]),
            entry["createdBy"],
            entry["createdAt"],
            entry["revokedAt"],
            entry["until"],
        )

    @property
    def expires_at_s(self) -> int:
        """The end of the last good certificate; 0 if there is none."""
        return max(self.keys.values(), default=0)

    def with_key(self, key: str, expires_at_s: int, groups: Collection[str]) -> UserRecord:
        """Return the entry with one more key; whoever is given one belongs to ``groups``."""
        keys = {**self.keys, key: expires_at_s}
        until_s = max(self.until_s, expires_at_s)
        return replace(
            self, keys=keys, groups=tuple(sorted(groups)), revoked_at_s=0, until_s=until_s
        )

    def cleared(self, now_s: float) -> UserRecord:
        """Return the entry without the keys whose certificates have expired."""
        keys = {key: until for key, until in self.keys.items() if until > now_s}
        return replace(self, keys=keys)

    def revoked(self, now_s: float) -> UserRecord:
        """Return the entry once no key may speak for the user any more."""
        # A certificate that this registry does not know of may live as long as any.
        until_s = max(self.until_s, int(now_s) + LIFETIME_S_MAX)
        return replace(self, keys={}, revoked_at_s=int(now_s), until_s=until_s)

    def is_forgotten(self, now_s: float) -> bool:
        """Return whether every certificate of the name has expired."""
        return now_s > self.until_s + _LONGER_S


def key_of(name: str) -> bytes:
    """Return the key in the store of the entry of ``name``."""
    return PREFIX + name.encode()


def name_of(key: bytes) -> str:
    """Return the name whose entry is stored at ``key``."""
    return key.removeprefix(PREFIX).decode()


def check_name(name: str, what: str = "a user's name") -> str | None:
    """Return what is wrong with the name of a user or of a group; None if it can be one."""
    if not name:
        return f"{what} must not be empty"
    if len(name) > COMMON_NAME_LENGTH_MAX:
        return f"{what} has at most {COMMON_NAME_LENGTH_MAX} characters, this has {len(name)}"
    if not _NAME.fullmatch(name):
        return f"{what} consists of letters, digits and -._@+: and begins with a letter or a digit"
    if name.startswith(_RESERVED_PREFIX) or name == ADMIN:
        return f'"{name}" is reserved for the cluster itself'
    return None
