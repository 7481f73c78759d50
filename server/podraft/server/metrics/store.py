"""The store's metrics for Prometheus: log, disk, and a member's part in its group.

Owns: these metrics' names and units.  Invariant: pure; the caller brings the measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from podraft.server.raft.member import Role
from podraft.server.store.durations import BOUNDS_S
from podraft.server.store.latencies import Latencies
from podraft.server.store.measurements import (
    GroupMeasurements,
    PeerMeasurements,
    StoreMeasurements,
)

_PEER = ("peer",)


def store_metrics(store: StoreMeasurements, *, disk_slow: bool) -> Iterator[Metric]:
    """Yield the metrics of any store that this server keeps itself."""
    fsync = HistogramMetricFamily(
        "podraft_wal_fsync_duration_seconds",
        "Seconds until a batch of the log is durable (write and fdatasync).",
    )
    _add(fsync, (), store.syncs)
    yield fsync
    yield GaugeMetricFamily(
        "podraft_disk_slow",
        "1 while the log's disk is too slow for the election timeout.",
        int(disk_slow),
    )
    yield GaugeMetricFamily(
        "podraft_wal_size_bytes", "Bytes on disk of the write-ahead log.", store.wal_bytes
    )
    yield GaugeMetricFamily(
        "podraft_history_size_bytes", "Bytes on disk of the history file.", store.history_bytes
    )
    yield GaugeMetricFamily(
        "podraft_proposals_pending",
        "Transactions that wait for their outcome.",
        store.proposals_pending,
    )
    if store.group is not None:
        yield from _group_metrics(store.group)
        yield from _peer_metrics(store.group.peers)


def _group_metrics(group: GroupMeasurements) -> Iterator[Metric]:
    status = group.status
    gauges = (
        ("podraft_raft_term", "The term that this member is in.", status.term),
        ("podraft_raft_is_leader", "1 if this member leads.", status.role is Role.LEADER),
        ("podraft_raft_has_leader", "1 if this member knows a leader.", bool(status.leader)),
        ("podraft_raft_committed_index", "The last committed log entry.", status.commit),
        ("podraft_raft_applied_index", "The last applied log entry.", status.applied),
        ("podraft_raft_last_index", "The last entry of this member's log.", status.last_index),
        (
            "podraft_state_compared_index",
            "The last log index at which this member had the state of the majority.",
            group.compared_index,
        ),
        (
            "podraft_state_split",
            "1 if members have different states and no majority tells who is right.",
            group.split,
        ),
    )
    for name, words, value in gauges:
        yield GaugeMetricFamily(name, words, int(value))
    role = GaugeMetricFamily("podraft_raft_role", "1 for the member's role.", labels=("role",))
    for each in Role:
        role.add_metric((each.value,), int(status.role is each))
    yield role
    counters = (
        (
            "podraft_raft_leader_changes",
            "Terms in which this member has seen a leader.",
            group.leader_changes,
        ),
        (
            "podraft_raft_read_rounds",
            "Questions put to a leader for linearizable reads; readers share them.",
            group.read_rounds,
        ),
        (
            "podraft_proposals_failed",
            "Transactions that ended without an outcome.",
            group.proposals_failed,
        ),
        ("podraft_snapshots_sent", "Snapshots sent to other members.", group.snapshots.sent),
        ("podraft_snapshots_received", "Snapshots received.", group.snapshots.received),
        ("podraft_snapshots_failed", "Snapshots that were not sent.", group.snapshots.failed),
    )
    for name, words, value in counters:
        yield CounterMetricFamily(name, words, value)


def _peer_metrics(peers: Sequence[PeerMeasurements]) -> Iterator[Metric]:
    connected = GaugeMetricFamily(
        "podraft_peer_connected", "1 if the other member takes messages.", labels=_PEER
    )
    lag = GaugeMetricFamily(
        "podraft_raft_follower_lag_entries",
        "Entries of the log that a follower lacks; told by the leader only.",
        labels=_PEER,
    )
    dropped = CounterMetricFamily(
        "podraft_peer_messages_dropped", "Messages to a member that were lost here.", labels=_PEER
    )
    failed = CounterMetricFamily(
        "podraft_peer_probes_failed", "Probes that were not answered in time.", labels=_PEER
    )
    round_trip = HistogramMetricFamily(
        "podraft_peer_round_trip_seconds",
        "Seconds that a probe takes there and back.",
        labels=_PEER,
    )
    offset = GaugeMetricFamily(
        "podraft_peer_clock_offset_seconds",
        "How far another member's clock is ahead of this one's.",
        labels=_PEER,
    )
    for peer in peers:
        label = (peer.name,)
        connected.add_metric(label, int(peer.connected))
        dropped.add_metric(label, peer.dropped)
        failed.add_metric(label, peer.probes_failed)
        _add(round_trip, label, peer.round_trips)
        if peer.lag is not None:
            lag.add_metric(label, peer.lag)
        if peer.clock_offset_s is not None:
            offset.add_metric(label, peer.clock_offset_s)
    yield from (connected, lag, dropped, failed, round_trip, offset)


def _add(family: HistogramMetricFamily, labels: Sequence[str], latencies: Latencies) -> None:
    total = 0
    buckets: list[tuple[str, float]] = []
    bounds = [*(f"{bound_s:g}" for bound_s in BOUNDS_S), "+Inf"]
    for bound, count in zip(bounds, list(latencies.counts), strict=True):
        total += count
        buckets.append((bound, total))
    family.add_metric(labels, buckets, latencies.sum_s)
