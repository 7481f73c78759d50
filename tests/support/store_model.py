"""A model of the store in twenty lines, and random transactions to test a store against it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from podraft.server.state.datastore import (
    Committed,
    Delete,
    EventBatch,
    Guard,
    Put,
    Record,
    Transaction,
)
from podraft.server.state.revisions import revision_suffix


@dataclass
class Model:
    """The expected value of every key, at every revision."""

    states: list[dict[bytes, Record]] = field(default_factory=lambda: [{}])

    @property
    def revision(self) -> int:
        return len(self.states) - 1

    def transact(self, transaction: Transaction) -> tuple[bool, int]:
        """Return whether the guards hold, and the revision afterwards."""
        state = dict(self.states[-1])
        for guard in transaction.guards:
            found = state.get(guard.key)
            if guard.mod_revision != (found.mod_revision if found else 0):
                return False, self.revision
        revision = self.revision + 1
        changed = False
        for write in transaction.writes:
            if isinstance(write, Put):
                created = state[write.key].create_revision if write.key in state else revision
                value = write.value + (revision_suffix(revision) if write.stamped else b"")
                state[write.key] = Record(write.key, value, created, revision)
                changed = True
            else:
                changed = state.pop(write.key, None) is not None or changed
        if changed:
            self.states.append(state)
        return True, self.revision

    def records(self, prefix: bytes, revision: int) -> list[Record]:
        state = self.states[revision]
        return [state[key] for key in sorted(state) if key.startswith(prefix)]

    def changes(self, prefix: bytes, revision: int) -> dict[bytes, Record | None]:
        """Return the changes of ``revision`` below ``prefix``; None is a deletion."""
        before, after = self.states[revision - 1], self.states[revision]
        return {
            key: after.get(key)
            for key in before.keys() | after.keys()
            if key.startswith(prefix) and before.get(key) != after.get(key)
        }


def random_transaction(random: Random, model: Model, keys: list[bytes]) -> Transaction:
    """Return a transaction whose guards mostly hold."""
    state = model.states[-1]
    chosen = random.sample(keys, random.randint(1, 4))
    guards = []
    for key in chosen[: random.randint(0, 2)]:
        found = state.get(key)
        honest = found.mod_revision if found else 0
        guards.append(Guard(key, honest if random.random() < 0.9 else honest + 1))
    writes: list[Put | Delete] = []
    for key in chosen:
        if random.random() < 0.3:
            writes.append(Delete(key))
        else:
            writes.append(Put(key, random.randbytes(random.randint(0, 60)), random.random() < 0.8))
    return Transaction(tuple(guards), tuple(writes))


def check_watched(
    model: Model, prefix: bytes, start: int, batches: list[EventBatch], *, through: int
) -> None:
    """Assert that ``batches`` hold every change below ``prefix`` in (start, through], in order."""
    reached = start
    for batch in batches:
        assert batch.revision >= reached, "revisions go backwards"
        revisions = [event.revision for event in batch.events]
        assert revisions == sorted(revisions)
        assert all(reached < revision <= batch.revision for revision in revisions)
        for revision in range(reached + 1, batch.revision + 1):
            events = [event for event in batch.events if event.revision == revision]
            seen = {
                event.key: None
                if event.value is None
                else Record(event.key, event.value, event.create_revision, revision)
                for event in events
            }
            assert len(seen) == len(events), "a key twice in a revision"
            assert seen == model.changes(prefix, revision)
            for event in events:
                assert event.previous == model.states[revision - 1].get(event.key)
        reached = batch.revision
    for revision in range(reached + 1, through + 1):
        assert not model.changes(prefix, revision), f"revision {revision} is missing"


def outcome_of(outcome: object) -> tuple[bool, int | None]:
    """Return an outcome in the model's terms."""
    if isinstance(outcome, Committed):
        return True, outcome.revision
    return False, None
