"""A store's measurements of itself: counts, sizes, latencies.

Owns: the records of them, for metrics and for ``podraft doctor``.  Invariant: they are
made of what is counted anyway; reading them costs some microseconds and slows no write down.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from podraft.server.raft.status import Status
from podraft.server.store.latencies import Latencies
from podraft.server.store.log.wal import Wal


@dataclass(slots=True)
class SnapshotCounts:
    """The numbers of snapshots sent, received and failed since the start."""

    sent: int = 0
    received: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class PeerMeasurements:
    """The connection to one other member.

    ``lag``: how many entries of the leader's log it lacks; None if this member does not lead.
    ``clock_offset_s``: how far its clock is ahead of ours, in seconds; None if not known.
    """

    name: str
    connected: bool
    dropped: int
    round_trips: Latencies
    probes_failed: int
    clock_offset_s: float | None
    lag: int | None


@dataclass(frozen=True, slots=True)
class GroupMeasurements:
    """A member's part in its group."""

    name: str
    status: Status
    leader_name: str
    leader_changes: int
    read_rounds: int
    proposals_failed: int
    snapshots: SnapshotCounts
    peers: tuple[PeerMeasurements, ...]
    heartbeat_s: float
    election_s: float
    # The last log index at which this member had the state of the majority; 0: none yet.
    compared_index: int
    # Whether members have different states and no majority shows which is right.
    split: bool


@dataclass(frozen=True, slots=True)
class StoreMeasurements:
    """The measurements of one server's store; ``group`` is None if it is a single member."""

    directory: Path
    syncs: Latencies
    proposals_pending: int
    wal_bytes: int
    history_bytes: int
    group: GroupMeasurements | None = None


class MeasuredStore(Protocol):
    """A store that this server keeps itself."""

    def measurements(self) -> StoreMeasurements:
        """Return the store's current counts and measurements."""

    def unready(self) -> str:
        """Return why this server should get no calls now; empty if it should get them."""


def measure_store(
    wal: Wal, proposals_pending: int, group: GroupMeasurements | None = None
) -> StoreMeasurements:
    """Return the measurements of the store whose log is ``wal``."""
    directory = wal.directory.parent
    return StoreMeasurements(
        directory,
        wal.syncs,
        proposals_pending,
        sum(_occupied_bytes(path) for path in wal.directory.iterdir()),
        _occupied_bytes(directory / "history.lmdb"),
        group,
    )


def _occupied_bytes(path: Path) -> int:
    """Return how many bytes a file, which may be sparse, occupies; 0 if it has just gone."""
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0
