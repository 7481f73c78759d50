"""The options of the store on etcd, among them the bound of every buffer."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class EtcdOptions:
    """Bounds and periods of the store on etcd."""

    # Transactions under way at once; beyond that callers are told to try later.
    transactions: int = 2_000

    # How much one watcher may have unread before it is dropped.
    watch_events: int = 20_000
    watch_bytes: int = 32 * _MIB
    bookmark_interval_s: float = 1.0
