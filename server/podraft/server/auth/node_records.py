"""The registry of nodes: which key may speak for which name.

Owns: the stored form of a node's entry and what follows from it.  Invariants: a name has one key at
a time; a removed name is remembered for longer than any of its certificates is valid, so
that a name without an entry is new, not removed.  Pure: time is passed in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from podraft.server.auth.lifetimes import NODE_LIFETIME

PREFIX: Final = b"_cluster/nodes/"
# Clocks may differ, and a certificate begins a little early.
REMEMBERED_S: Final = NODE_LIFETIME.total_seconds() + 7 * 86_400


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One name's entry.

    ``key`` is the fingerprint of the public key; empty: the node was removed, at
    ``removed_at_s``.  ``older``: its certificate is from before nodes had names of their own.
    """

    key: str
    older: bool = False
    removed_at_s: int = 0

    def encode(self) -> bytes:
        """Return the stored form."""
        if not self.key:
            return json.dumps({"removedAt": self.removed_at_s}).encode()
        entry: dict[str, Any] = {"key": self.key}
        if self.older:
            entry["older"] = True
        return json.dumps(entry).encode()

    @classmethod
    def decode(cls, stored: bytes) -> NodeRecord:
        """Return the record that `encode` stored."""
        entry = json.loads(stored)
        return cls(entry.get("key", ""), entry.get("older", False), entry.get("removedAt", 0))

    def renewed(self) -> NodeRecord:
        """Return the entry once the node has a certificate of the present kind."""
        return replace(self, older=False)

    def is_forgotten(self, now_s: float) -> bool:
        """Return whether a removed name need not be remembered any longer."""
        return not self.key and now_s > self.removed_at_s + REMEMBERED_S


def key_of(name: str) -> bytes:
    """Return the key in the store of the entry of ``name``."""
    return PREFIX + name.encode()


def removed(now_s: float) -> NodeRecord:
    """Return the entry of a node that is removed now."""
    return NodeRecord("", removed_at_s=int(now_s))


def why_not_joining(
    name: str, key: str, record: NodeRecord | None, *, node_exists: bool, named: bool
) -> str:
    """Return why ``key`` may not join as ``name``; empty if it may.

    ``named``: the token is for this name, so an administrator means just this machine.
    """
    if record is None:
        if not node_exists or named:
            return ""
        return (
            f'there is a node "{name}" already, and its key is not known: join with another name, '
            f"with a token for this one (`podraft token create --name {name}`), or after "
            f"`podraft delete node {name}`"
        )
    if record.key in ("", key):
        return ""
    return (
        f'node "{name}" has joined with another key: join with another name, with the state '
        f"directory that it had, or after `podraft delete node {name}`"
    )
