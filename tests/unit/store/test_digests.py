"""The digest of a state follows from its records alone, and finds what changed by itself."""

from __future__ import annotations

from random import Random

import pytest

from podraft.server.state.datastore import Delete, Put, Record, Transaction
from podraft.server.state.digests import Scrub, record_digest, state_digest
from podraft.server.state.keyspace import Keyspace


def _random_transaction(random: Random) -> Transaction:
    keys = random.sample([f"k{number}".encode() for number in range(30)], random.randint(1, 4))
    return Transaction(
        (), tuple(Delete(key) if random.random() < 0.3 else Put(key, b"v" * 9) for key in keys)
    )


def _all(keyspace: Keyspace) -> list[Record]:
    return keyspace.range(b"", b"", 0)[0]


@pytest.mark.parametrize("seed", range(5))
def test_the_digest_is_that_of_the_records_whatever_was_written(seed):
    random = Random(seed)
    keyspace = Keyspace()
    for _ in range(300):
        keyspace.apply(_random_transaction(random), keyspace.revision + 1)
        assert keyspace.digest == state_digest(_all(keyspace))
    assert Keyspace(_all(keyspace), keyspace.revision).digest == keyspace.digest


def test_every_part_of_a_record_counts():
    record = Record(b"key", b"value", 3, 4)
    others = [
        Record(b"kex", b"value", 3, 4),
        Record(b"key", b"valux", 3, 4),
        Record(b"keyv", b"alue", 3, 4),
        Record(b"key", b"value", 2, 4),
        Record(b"key", b"value", 3, 5),
    ]
    assert len({state_digest([each]) for each in (record, *others)}) == 6


def test_the_same_change_of_two_records_does_not_cancel_out():
    before = [Record(b"a", b"time 1", 1, 1), Record(b"b", b"time 1", 1, 1)]
    after = [Record(b"a", b"time 2", 1, 1), Record(b"b", b"time 2", 1, 1)]
    assert state_digest(before) != state_digest(after)


def _scrub(keyspace: Keyspace, random: Random, *, writes: bool = True) -> Scrub:
    scrub = Scrub()
    more = True
    while more:
        records, more = keyspace.range(b"", scrub.position, 3)
        scrub.look(records)
        for _ in range(random.randrange(3) if writes and more else 0):
            _, events = keyspace.apply(_random_transaction(random), keyspace.revision + 1)
            for event in events:
                scrub.written(event)
    return scrub


@pytest.mark.parametrize("seed", range(20))
def test_a_scrub_agrees_with_a_sound_state_however_much_is_written_meanwhile(seed):
    random = Random(seed)
    keyspace = Keyspace()
    for _ in range(40):
        keyspace.apply(_random_transaction(random), keyspace.revision + 1)
    assert _scrub(keyspace, random).digest == keyspace.digest


def test_a_scrub_finds_a_value_that_changed_by_itself():
    random = Random(1)
    keyspace = Keyspace()
    for _ in range(40):
        keyspace.apply(_random_transaction(random), keyspace.revision + 1)
    victim = _all(keyspace)[4]
    keyspace._records[victim.key] = Record(victim.key, b"else", victim.create_revision, 1)
    assert _scrub(keyspace, random, writes=False).digest != keyspace.digest
    # Also when the damaged value was replaced since.
    keyspace.apply(Transaction((), (Put(victim.key, b"new"),)), keyspace.revision + 1)
    assert _scrub(keyspace, random, writes=False).digest != keyspace.digest


def test_a_key_counts_in_the_form_in_which_members_of_every_age_write_it():
    known, written = b"leases.coordination.k8s.io/default/a", b"leases/default/a"
    assert record_digest(Record(known, b"v", 3, 7)) == record_digest(Record(written, b"v", 3, 7))
    assert state_digest((Record(known, b"v", 3, 7),)) == record_digest(Record(known, b"v", 3, 7))
    assert record_digest(Record(known, b"v", 3, 7)) != record_digest(Record(known, b"v", 7, 3))
