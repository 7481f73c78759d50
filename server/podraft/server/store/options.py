"""The store's options, among them the bound of every queue."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from podraft.server.encryption.key_encryption import KeyEncryption
from podraft.server.state.retention import Retention

_MIB = 1024 * 1024


def wall_clock_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Bounds and periods of one member's store."""

    # Proposals: how much may wait, how much one batch (one fdatasync) takes, how large one may be.
    queue_transactions: int = 10_000
    queue_bytes: int = 64 * _MIB
    batch_transactions: int = 1_000
    batch_bytes: int = 8 * _MIB
    transaction_bytes: int = 8 * _MIB
    # A batch gathers for at most this long, or until this many turns of the loop bring nothing.
    gather_s: float = 0.008
    gather_turns: int = 10

    segment_bytes: int = 64 * _MIB

    # History: the file is sparse and grows by doubling; its queue is bounded, and beyond
    # the bound proposals wait.
    history_map_bytes: int = 16 * 1024 * _MIB
    history_flush_interval_s: float = 0.25
    history_pending_bytes: int = 64 * _MIB
    retention: Retention = field(default_factory=Retention)
    retention_interval_s: float = 60.0

    # The service that wraps the data keys; None means the key file beside the data directory.
    keys: KeyEncryption | None = None

    # Whether a state that is not what was applied is served nevertheless (see ``recovery``).
    accept_damage: bool = False

    # How often the state in memory is compared with what was applied, and in which portions.
    scrub_interval_s: float = 3600.0
    scrub_records: int = 500

    # Events kept in memory for watchers and readers that are a little behind.
    recent_events: int = 20_000
    recent_bytes: int = 32 * _MIB

    # How much one watcher may have unread before it is dropped.
    watch_events: int = 20_000
    watch_bytes: int = 32 * _MIB
    bookmark_interval_s: float = 1.0

    now_ms: Callable[[], int] = wall_clock_ms
