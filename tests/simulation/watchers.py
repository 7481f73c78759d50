"""Watchers: they follow one member, then another, and must neither miss nor repeat anything.

Owns: the properties of watches: ordered, unique, atomic (a revision as a whole), reliable (no gap),
resumable on another member, also from a bookmark (a revision at which nothing below its prefix
changed); after compaction a watcher lists and goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable

from podraft.server.state.datastore import Event, RevisionCompactedError
from simulation.checks import GroupChecks
from simulation.simulated_member import SimulatedMember
from simulation.world import SimulationFailedError, World


class Watcher:
    """A watcher that copies the records by events alone, except where history is gone."""

    def __init__(
        self,
        number: int,
        world: World,
        members: Callable[[], list[SimulatedMember]],
        checks: GroupChecks,
        prefix: bytes,
    ) -> None:
        self._prefix = prefix
        self._world = world
        self._members = members
        self._checks = checks
        self._random = world.random(f"watcher {number}")
        self._member: SimulatedMember | None = None
        self._life = 0
        self.revision = 0
        self.relisted = 0
        self._noticed = 0
        self._records: dict[bytes, bytes] = {}
        world.after(self._random.random(), self._poll)

    def _poll(self) -> None:
        random = self._random.random
        # Now and then the watcher is away for so long that its revision is compacted.
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
            self._records = {
                record.key: record.value
                for record in machine.records()
                if record.key.startswith(self._prefix)
            }
            self._compare()
            return
        for events in batches:
            mine = [event for event in events if event.key.startswith(self._prefix)]
            if mine:
                self._notice(mine)
        # The bookmark promises that nothing more will come up to here.
        self.revision += len(batches)
        self._compare()

    def _notice(self, events: list[Event]) -> None:
        revision = events[0].revision
        if revision <= self._noticed or any(event.revision != revision for event in events):
            raise SimulationFailedError(f"a watcher at {self._noticed} gets {events}")
        canonical = [
            event for event in self._checks.events[revision] if event.key.startswith(self._prefix)
        ]
        if events != canonical:
            raise SimulationFailedError(f"a watcher gets other events of {revision}")
        self._noticed = revision
        for event in events:
            if event.value is None:
                self._records.pop(event.key)
            else:
                self._records[event.key] = event.value

    def _compare(self) -> None:
        canonical = self._checks.records[self.revision]
        wanted = {
            key: record.value for key, record in canonical.items() if key.startswith(self._prefix)
        }
        if self._records != wanted:
            raise SimulationFailedError(f"a watcher's copy is wrong at revision {self.revision}")
