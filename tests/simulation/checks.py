"""The properties that must hold in every run, seen from outside all members.

Owns: election safety, log matching, leader completeness, state machine safety (the names are the
paper's), and the canonical history against which clients and watchers are checked.
"""

from __future__ import annotations

from collections.abc import Sequence

from podraft.server.raft.entries import Entry, EntryKind, Membership, decode_membership
from podraft.server.raft.log import RaftLog
from podraft.server.state.datastore import Event, Record
from simulation.world import SimulationFailedError


class GroupChecks:
    """The checks of every entry, leader, commit and application of all members."""

    def __init__(self) -> None:
        self._leaders: dict[int, tuple[int, int]] = {}
        self._entries: dict[tuple[int, int], tuple[bytes, int]] = {}
        self._committed_terms: list[int] = [0]
        # The term of the leader that committed the entry: leaders of earlier terms who win later
        # may lack it.
        self._committed_in: list[int] = [0]
        self._memberships: list[tuple[int, Membership]] = []
        self._applied: list[Entry | None] = [None]
        self.effective: list[bytes] = []
        self.events: list[tuple[Event, ...]] = [()]
        self.records: list[dict[bytes, Record]] = [{}]
        self._digests: list[int] = [0]

    @property
    def committed(self) -> int:
        return len(self._committed_terms) - 1

    def elected(self, member: int, life: int, term: int, log: RaftLog) -> None:
        """Check election safety and leader completeness."""
        leader = self._leaders.setdefault(term, (member, life))
        if leader != (member, life):
            raise SimulationFailedError(
                f"election safety: members {leader[0]} and {member} lead in term {term}"
            )
        for index in range(max(log.start, 1), self.committed + 1):
            committed_term = self._committed_terms[index]
            if self._committed_in[index] <= term and log.term_at(index) != committed_term:
                raise SimulationFailedError(
                    f"leader completeness: entry {index} of term {committed_term} is committed, but"
                    f" the leader of term {term}, member {member}, has {log.term_at(index)} there"
                )

    def appended(self, member: int, entries: Sequence[Entry], previous_term: int) -> None:
        """Check log matching by induction: equal index and term imply equal entry and past."""
        for entry in entries:
            key, facts = (entry.index, entry.term), (entry.payload, previous_term)
            known = self._entries.setdefault(key, facts)
            if known != facts:
                raise SimulationFailedError(
                    f"log matching: entry {entry.index} of term {entry.term} on member {member}"
                    " differs from another member's, or what precedes it does"
                )
            previous_term = entry.term

    def committed_to(self, member: int, its_term: int, log: RaftLog, first: int) -> None:
        """Check state machine safety at the moment of commitment."""
        terms = self._committed_terms
        for index in range(max(first, log.start), log.commit + 1):
            term = log.term_at(index) or 0
            if index == len(terms):
                terms.append(term)
                self._committed_in.append(its_term)
                entry = log.entry(index)
                if entry.kind is EntryKind.MEMBERSHIP:
                    self._memberships.append((index, decode_membership(entry.payload)))
            elif index > len(terms):
                raise SimulationFailedError(f"member {member} commits {index} out of nowhere")
            elif terms[index] != term:
                raise SimulationFailedError(
                    f"state machine safety: entry {index} is committed with term {terms[index]},"
                    f" on member {member} with term {term}"
                )

    def memberships(self, after: int) -> list[Membership]:
        """Return the memberships that were committed by entries beyond ``after``."""
        return [held for index, held in self._memberships if index > after]

    def applied(self, member: int, entry: Entry, events: tuple[Event, ...], digest: int) -> None:
        """Check state machine safety at the moment of application; all states there are equal."""
        applied = self._applied
        if entry.index == len(applied):
            applied.append(entry)
            self._digests.append(digest)
            if events:
                self.effective.append(entry.payload)
                self._record(events)
        elif entry.index > len(applied) or applied[entry.index] != entry:
            raise SimulationFailedError(
                f"state machine safety: member {member} applies another entry {entry.index}"
            )
        if digest != self._digests[entry.index]:
            raise SimulationFailedError(
                f"member {member} has another state after entry {entry.index}: digest"
                f" {digest:016x}, first {self._digests[entry.index]:016x}"
            )
        if events and self.events[events[0].revision] != events:
            raise SimulationFailedError(
                f"revision {events[0].revision} has other events on member {member}"
            )

    def _record(self, events: tuple[Event, ...]) -> None:
        if events[0].revision != len(self.events):
            raise SimulationFailedError(f"revision {events[0].revision} follows a gap")
        records = dict(self.records[-1])
        for event in events:
            if event.value is None:
                del records[event.key]
            else:
                records[event.key] = Record(
                    event.key, event.value, event.create_revision, event.revision
                )
        self.events.append(events)
        self.records.append(records)

    @property
    def elections(self) -> int:
        return len(self._leaders)

    @property
    def entries_applied(self) -> list[Entry]:
        return [entry for entry in self._applied if entry is not None]
