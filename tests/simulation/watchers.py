"""Watchers: they follow one member, then another, and must miss and repeat nothing.

Owns: the properties of watches: ordered, unique, atomic (a revision as a whole), reliable (no gap),
resumable on another member; after compaction a watcher lists and goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable

from podraft.server.state.datastore import RevisionCompactedError
from simulation.checks import GroupChecks
from simulation.members import SimulatedMember
from simulation.world import SimulationFailedError, World


class Watcher:
    """Keeps a copy of the records by events alone, except where history is gone."""

    def __init__(
        self,
        number: int,
        world: World,
        members: Callable[[], list[SimulatedMember]],
        checks: GroupChecks,
    ) -> None:
        self._world = world
        self._members = members
        self._checks = checks
        self._random = world.random(f"watcher {number}")
        self._member: SimulatedMember | None = None
        self._life = 0
        self.revision = 0
        self.relisted = 0
        self._records: dict[bytes, bytes] = {}
        world.after(self._random.random(), self._poll)

    def _poll(self) -> None:
        random = self._random.random
        # Now and then it is away for so long that its revision is compacted.
        pause = 3.0 if random() < 0.01 else 0.15 * random()
        self._world.after(pause, self._poll)
        member = self._member
        if member is None or not member.alive or member.life != self._life or random() < 0.03:
            members = [member for member in self._members() if member.alive]
            if not members:
                return
            self._member = member = self._random.choice(members)
            self._life = member.life
        self.take(member)

    def take(self, member: SimulatedMember, limit: int = 10) -> None:
        machine = member.machine
        if self.revision > machine.revision:
            return  # The new member is behind: its events come when it has caught up.
        try:
            batches = machine.events_after(self.revision, limit)
        except RevisionCompactedError:
            self.relisted += 1
            self.revision = machine.revision
            self._records = {record.key: record.value for record in machine.records()}
            self._compare()
            return
        for events in batches:
            expected = self.revision + 1
            if any(event.revision != expected for event in events):
                raise SimulationFailedError(f"a watcher waits for revision {expected}: {events}")
            if events != self._checks.events[expected]:
                raise SimulationFailedError(f"a watcher gets other events of {expected}")
            self.revision = expected
            for event in events:
                if event.value is None:
                    self._records.pop(event.key)
                else:
                    self._records[event.key] = event.value
        self._compare()

    def _compare(self) -> None:
        canonical = self._checks.records[self.revision]
        if self._records != {key: record.value for key, record in canonical.items()}:
            raise SimulationFailedError(f"a watcher's copy is wrong at revision {self.revision}")
