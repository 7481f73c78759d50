"""What can be tuned of the store on etcd; every buffer's bound is here."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class EtcdOptions:
    """Bounds and periods."""

    # Transactions on their way at once; beyond that callers are told to come later.
    transactions: int = 2_000

    # What one watcher may have unread before it is dropped.
    watch_events: int = 20_000
    watch_bytes: int = 32 * _MIB
    bookmark_interval_s: float = 1.0
