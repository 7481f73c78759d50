"""The options of a group's member; every queue's bound is here or in ``RaftOptions``."""

from __future__ import annotations

from dataclasses import dataclass, field

from podraft.server.raft.options import RaftOptions

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MemberOptions:
    """Bounds and periods of one member's part in its group.

    Followers campaign after 0.5 to 1 s without a leader: ``raft.election_ticks`` of ``tick_s``.
    """

    raft: RaftOptions = field(default_factory=RaftOptions)
    tick_s: float = 0.05

    # How long a leader waits for entries that can tell its followers what is committed.
    announce_s: float = 0.005

    # How long a write or a read waits for a leader or its answer, and when a read asks again.
    answer_s: float = 5.0
    read_again_s: float = 0.4

    # Batches of this member's proposals under way: few, so that batches grow under load. While one
    # is, the next one leaves only after this time, or with this many proposals.
    batches_in_flight: int = 4
    second_batch_s: float = 0.01
    second_batch_entries: int = 100
    # Entries applied in one turn of the loop.
    apply_entries: int = 500

    # The most entries and bytes kept in memory and on disk for followers that are behind.
    kept_entries: int = 20_000
    kept_bytes: int = 32 * _MIB

    # How often the others are asked for their clocks and digests, and how often, if anything was
    # written, the leader marks a place in the log at which the members compare their states.
    probe_s: float = 2.0
    compare_s: float = 10.0

    # How much may wait for another member; beyond it messages are lost, which the protocol bears.
    send_bytes: int = 32 * _MIB
    frame_bytes: int = 1 * _MIB
    reconnect_s: float = 0.1
    reconnect_s_max: float = 0.25

    @classmethod
    def timed(cls, heartbeat_s: float, election_s: float) -> MemberOptions:
        """Return options with these periods, and with the waits that depend on them scaled."""
        usual = cls()
        tick_s = heartbeat_s / usual.raft.heartbeat_ticks
        return cls(
            raft=RaftOptions(
                election_ticks=round(election_s / tick_s),
                heartbeat_ticks=usual.raft.heartbeat_ticks,
            ),
            tick_s=tick_s,
            answer_s=max(usual.answer_s, 10 * election_s),
            read_again_s=max(usual.read_again_s, 4 * heartbeat_s),
        )

    @property
    def heartbeat_s(self) -> float:
        """The period, in seconds, of a leader's heartbeats."""
        return self.raft.heartbeat_ticks * self.tick_s

    @property
    def election_s(self) -> float:
        """The shortest time, in seconds, without a leader after which a follower campaigns."""
        return self.raft.election_ticks * self.tick_s
