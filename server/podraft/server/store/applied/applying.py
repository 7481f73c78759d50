"""The application of one committed transaction to the state in memory, and what is stored of it.

Invariant: a log that is replayed leaves the same state and the same history as one that was
applied entry by entry.
"""

from __future__ import annotations

from podraft.server.state.datastore import Outcome, Transaction
from podraft.server.state.keyspace import Keyspace
from podraft.server.state.recent import RecentEvents, events_bytes
from podraft.server.state.requests import AppliedRequest
from podraft.server.store.history.history_file import HistoryBatch


def apply_transaction(
    keyspace: Keyspace, recent: RecentEvents, index: int, transaction: Transaction, time_ms: int
) -> tuple[Outcome, HistoryBatch]:
    """Apply the transaction of the log entry ``index``, proposed at ``time_ms``."""
    revision = keyspace.revision + 1
    outcome, events = keyspace.apply(transaction, revision, time_ms)
    digest = keyspace.digest
    if not events:
        return outcome, HistoryBatch(index, keyspace.revision, time_ms, (), digest=digest)
    recent.append(revision, events)
    requests = keyspace.requests
    request: AppliedRequest | None = requests.newest if transaction.request else None
    batch = HistoryBatch(
        index,
        revision,
        time_ms,
        events,
        transaction.author,
        events_bytes(events),
        digest,
        request,
        requests.oldest_revision,
    )
    return outcome, batch
