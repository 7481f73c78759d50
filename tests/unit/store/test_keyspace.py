"""The pure core: applying transactions, remembering the last ones, forgetting the old ones."""

from __future__ import annotations

from random import Random

import pytest

from podraft.server.state.datastore import Committed, Delete, Event, Put, Record, Transaction
from podraft.server.state.keyspace import Keyspace, prefix_end
from podraft.server.state.recent import RecentEvents, events_bytes
from podraft.server.state.retention import Retention, compaction_target, horizon_ms
from support.store_model import Model, outcome_of, random_transaction

KEYS = [b"%s/%d" % (head, n) for head in (b"p", b"q") for n in range(8)]


@pytest.mark.parametrize("seed", range(10))
def test_apply_agrees_with_the_model_and_is_deterministic(seed: int) -> None:
    print(f"seed {seed}")
    random = Random(seed)
    model, keyspace, twin = Model(), Keyspace(), Keyspace()
    for _ in range(300):
        transaction = random_transaction(random, model, KEYS)
        before = model.states[-1]
        revision = model.revision + 1
        holds, reached = model.transact(transaction)
        outcome, events = keyspace.apply(transaction, revision)
        assert (outcome, events) == twin.apply(transaction, revision)
        assert outcome_of(outcome) == ((True, reached) if holds else (False, None))
        assert keyspace.revision == reached
        changed = {} if reached < revision else model.changes(b"", revision)
        assert {event.key: event.value for event in events} == {
            key: record.value if record else None for key, record in changed.items()
        }
        assert all(event.previous == before.get(event.key) for event in events)
        assert keyspace.range(b"", b"", 0) == (model.records(b"", reached), False)
    restored = Keyspace(model.states[-1].values(), model.revision)
    assert restored.range(b"p/", b"", 3) == keyspace.range(b"p/", b"", 3)


def test_a_revision_that_does_not_follow_is_refused() -> None:
    keyspace = Keyspace(revision=5)
    with pytest.raises(ValueError, match="does not follow"):
        keyspace.apply(Transaction((), (Put(b"a", b""),)), 5)
    assert keyspace.apply(Transaction((), (Put(b"a", b""),)), 6)[0] == Committed(6)


def test_prefix_end_is_just_above_the_prefix() -> None:
    assert prefix_end(b"a/") == b"a0"
    assert prefix_end(b"a\xff\xff") == b"b"
    assert prefix_end(b"\xff") is None
    assert prefix_end(b"") is None


def event(revision: int, key: bytes, previous: Record | None = None, size: int = 1) -> Event:
    return Event(revision, key, b"x" * size, revision, previous)


def test_recent_events_are_bounded_by_count_and_by_bytes() -> None:
    recent = RecentEvents(0, events_max=4, bytes_max=10_000)
    for revision in range(1, 4):
        recent.append(revision, (event(revision, b"a"), event(revision, b"b")))
    assert [revision for revision, _ in recent.after(1)] == [2, 3]
    assert recent.covers(1)
    assert not recent.covers(0)
    with pytest.raises(ValueError, match="are gone"):
        list(recent.after(0))
    recent.append(4, (event(4, b"a", size=20_000),))
    assert recent.start == 4
    assert list(recent.after(4)) == []
    with pytest.raises(ValueError, match="does not follow"):
        recent.append(6, (event(6, b"a"),))


def test_the_bytes_of_events_are_those_of_both_values_and_something_for_each() -> None:
    empty = event(1, b"a", size=0)
    alone = events_bytes((empty,))
    assert alone > 100
    assert events_bytes((empty,) * 3) == 3 * alone
    assert events_bytes((event(1, b"a", size=7),)) == alone + 7
    assert events_bytes((event(1, b"a", Record(b"a", b"12345", 1, 1), size=7),)) == alone + 12
    deleted = Event(2, b"a", None, 0, Record(b"a", b"12345", 1, 1))
    assert events_bytes((deleted,)) == alone + 5


def test_recent_events_are_kept_up_to_the_very_bounds() -> None:
    size = events_bytes((event(1, b"a"),))
    for recent in (RecentEvents(0, 2, 10 * size), RecentEvents(0, 100, 2 * size)):
        starts = []
        for revision in range(1, 5):
            recent.append(revision, (event(revision, b"a"),))
            starts.append(recent.start)
        assert starts == [0, 0, 1, 2]


def test_a_deletion_has_no_creation_and_what_nobody_asked_for_is_no_request() -> None:
    keyspace = Keyspace()
    keyspace.apply(Transaction((), (Put(b"a", b"v", stamped=False),)), 1)
    _, events = keyspace.apply(Transaction((), (Delete(b"a"),)), 2)
    assert events == (Event(2, b"a", None, 0, Record(b"a", b"v", 1, 1)),)
    assert len(keyspace.requests) == 0


def test_undo_gives_the_records_as_they_were() -> None:
    first = Record(b"a", b"1", 1, 1)
    recent = RecentEvents(1, 100, 100_000)
    recent.append(2, (event(2, b"a", first), event(2, b"b")))
    recent.append(3, (event(3, b"a", Record(b"a", b"2", 1, 2)), event(3, b"other")))
    assert recent.undo(b"a", 1) == {b"a": first}
    assert recent.undo(b"", 1) == {b"a": first, b"b": None, b"other": None}
    assert recent.undo(b"", 3) == {}


@pytest.mark.parametrize("seed", range(5))
def test_the_past_is_the_present_with_recent_events_undone(seed: int) -> None:
    print(f"seed {seed}")
    random = Random(seed)
    model, keyspace, recent = Model(), Keyspace(), RecentEvents(0, 10_000, 1 << 20)
    for _ in range(120):
        transaction = random_transaction(random, model, KEYS)
        _, events = keyspace.apply(transaction, keyspace.revision + 1)
        model.transact(transaction)
        if events:
            recent.append(keyspace.revision, events)
    for revision in range(1, model.revision):
        for prefix in (b"", b"p/", b"q/3"):
            old = recent.undo(prefix, revision)
            expected = model.records(prefix, revision)
            assert keyspace.past_range(old, prefix, b"", 0) == (expected, False)
            after = [record for record in expected if record.key > b"p/4"]
            page = (after[:2], len(after) > 2)
            assert keyspace.past_range(old, prefix, b"p/4", 2) == page


@pytest.mark.parametrize(
    ("current", "compacted", "horizon", "expected"),
    [
        (50, 0, 0, None),  # Young and few.
        (150, 0, 0, 50),  # Too many.
        (150, 0, 70, 70),  # Too old weighs more here.
        (150, 60, 40, None),  # Already forgotten.
        (10, 0, 10, 10),  # All is old: only the newest state remains.
    ],
)
def test_retention_keeps_the_young_but_not_too_many(
    current: int, compacted: int, horizon: int, expected: int | None
) -> None:
    retention = Retention(keep_s=1.0, keep_revisions=100)
    target = compaction_target(
        retention, current=current, compacted=compacted, revision_at_horizon=horizon
    )
    assert target == expected


def test_members_that_look_at_different_moments_forget_the_same() -> None:
    retention = Retention(keep_s=3600.0, keep_revisions=1000)
    moments = range(7_200_000, 7_260_000, 999)
    assert {horizon_ms(retention, now_ms=now, interval_s=60) for now in moments} == {3_600_000}
    targets = [
        compaction_target(retention, current=current, compacted=0, revision_at_horizon=0)
        for current in range(1001, 1500)
    ]
    assert all(990 <= current - target <= 1000 for current, target in enumerate(targets, 1001))
    assert set(targets) == set(range(10, 501, 10))


@pytest.mark.parametrize("seed", range(5))
def test_keys_are_counted_as_they_are_listed(seed: int) -> None:
    random = Random(seed)
    names = [bytes(random.choices(b"ab/\xff", k=random.randint(1, 4))) for _ in range(60)]
    keyspace = Keyspace([Record(name, b"", 1, 1) for name in set(names)], 1)
    for prefix in (b"", b"a", b"a/", b"\xff", b"\xff\xff", b"zz"):
        for after in (b"", *names[:10]):
            assert keyspace.count(prefix, after) == len(list(keyspace.keys(prefix, after)))
