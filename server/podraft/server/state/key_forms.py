"""Two forms of a key: as everything here knows it, and as it is written where others read it.

A key of an object begins with its resource and the resource's API group: ``deployments.apps/…``.
Before keys had groups there were five resources outside of the core group.  Logs, digests and
etcd keep these five without their group (the *written* form), so that servers of either age read
what the other has written, and find each other's states equal.

Owns: the way between the forms.

Invariants: ``grouped(written(key)) == key`` for every key that a transaction may have;
``grouped`` leaves such a key as it is.  The five are closed: a kind that is added later is written
as it is known.
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
# What the keys begin with that are known by another name than they are written.
WRITTEN_PREFIXES: Final = tuple(sorted(written + b"/" for written in _GROUPED))
_GROUPED_PREFIXES: Final = tuple(sorted(grouped + b"/" for grouped in _WRITTEN))


def grouped(key: bytes) -> bytes:
    """Return the form in which a key is known; it may be in either form, or a key's beginning."""
    if not key.startswith(WRITTEN_PREFIXES):
        return key
    resource, slash, rest = key.partition(b"/")
    return _GROUPED[resource] + slash + rest


def written(key: bytes) -> bytes:
    """Return the form in which a key is written; it may be in either form, or a key's beginning."""
    if not key.startswith(_GROUPED_PREFIXES):
        return key
    resource, slash, rest = key.partition(b"/")
    return _WRITTEN[resource] + slash + rest
