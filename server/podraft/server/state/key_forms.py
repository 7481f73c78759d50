"""The two forms of a key: the one used in memory, and the one written where others read it.

A key of an object begins with its resource and the resource's API group: ``deployments.apps/…``.
Before keys had groups there were five resources outside of the core group.  Logs, digests and
etcd keep these five without their group (the *written* form), so that old and new servers read
what the other has written, and find each other's states equal.

Owns: the conversion between the forms.

Invariants: ``grouped(written(key)) == key`` for every key that a transaction may have;
``grouped`` leaves that key unchanged.  The list of five is closed: the keys of kinds added later
are written as they are in memory.
"""

from __future__ import annotations

from typing import Final

# Never a resource of the core group, whose keys have no group: such a key would be ambiguous.
_GROUPED: Final = {
    b"deployments": b"deployments.apps",
    b"replicasets": b"replicasets.apps",
    b"endpointslices": b"endpointslices.discovery.k8s.io",
    b"leases": b"leases.coordination.k8s.io",
    b"events": b"events.events.k8s.io",
}
_WRITTEN: Final = {grouped: written for written, grouped in _GROUPED.items()}
# The beginnings of keys whose two forms differ.
WRITTEN_PREFIXES: Final = tuple(sorted(written + b"/" for written in _GROUPED))
_GROUPED_PREFIXES: Final = tuple(sorted(grouped + b"/" for grouped in _WRITTEN))


def grouped(key: bytes) -> bytes:
    """Return the grouped form of ``key``, which may be in either form, or a key's beginning."""
    if not key.startswith(WRITTEN_PREFIXES):
        return key
    resource, slash, rest = key.partition(b"/")
    return _GROUPED[resource] + slash + rest


def written(key: bytes) -> bytes:
    """Return the written form of ``key``, which may be in either form, or a key's beginning."""
    if not key.startswith(_GROUPED_PREFIXES):
        return key
    resource, slash, rest = key.partition(b"/")
    return _WRITTEN[resource] + slash + rest
