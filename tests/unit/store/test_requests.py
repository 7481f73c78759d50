"""What is remembered of requests: a function of what was applied, and of nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from podraft.server.state.commands import check_transaction
from podraft.server.state.datastore import Committed, Delete, Guard, Put, Repeated, Transaction
from podraft.server.state.keyspace import Keyspace
from podraft.server.state.requests import AppliedRequest, AppliedRequests


def few(applied: Sequence[AppliedRequest] = ()) -> AppliedRequests:
    return AppliedRequests(applied, kept_max=50, kept_always=10, keep_ms=1_000)


def name(number: int) -> bytes:
    return number.to_bytes(16, "big")


def write(number: int, *guards: Guard, key: bytes = b"k") -> Transaction:
    return Transaction(guards, (Put(key, b"v"),), b"", name(number))


def test_a_repeated_request_changes_nothing_and_tells_the_revision_of_the_first() -> None:
    keyspace = Keyspace()
    assert keyspace.apply(write(1), 1, 5)[0] == Committed(1)
    assert keyspace.apply(write(2, Guard(b"k", 1)), 2, 5)[0] == Committed(2)
    for guard in (Guard(b"k", 0), Guard(b"k", 2)):
        assert keyspace.apply(write(1, guard), 3, 6) == (Repeated(1), ())
    assert keyspace.revision == 2


def test_what_had_no_effect_may_still_have_one() -> None:
    keyspace = Keyspace()
    keyspace.apply(write(1, Guard(b"k", 7)), 1, 5)
    keyspace.apply(Transaction((), (Delete(b"absent"),), b"", name(1)), 1, 5)
    assert keyspace.apply(write(1), 1, 5)[0] == Committed(1)


def test_all_but_the_newest_are_forgotten_by_age_and_by_number() -> None:
    requests = few()
    assert (len(requests), requests.oldest_revision, requests.newest) == (0, 0, None)
    for number in range(60):
        requests.remember(name(number), number + 1, 0)
    assert (len(requests), requests.oldest_revision) == (50, 11)
    requests.remember(name(60), 61, 1_001)
    assert (len(requests), requests.find(name(51))) == (10, AppliedRequest(name(51), 52, 0))
    assert requests.find(name(50)) is None


def test_who_is_exactly_as_old_as_is_kept_is_kept_and_each_has_its_own_age() -> None:
    requests = few()
    for number, time_ms in enumerate([0, 999, *[1_000] * 10]):
        requests.remember(name(number), number + 1, time_ms)
    assert len(requests) == 12
    requests.remember(name(12), 13, 1_001)
    assert (len(requests), requests.oldest_revision) == (12, 2)


def test_a_proposer_with_a_slow_clock_does_not_turn_time_back() -> None:
    requests = few()
    requests.remember(name(0), 1, 5_000)
    requests.remember(name(1), 2, 10)
    assert [each.time_ms for each in requests.all()] == [5_000, 5_000]


@pytest.mark.parametrize("seed", range(20))
def test_who_starts_from_what_was_stored_remembers_the_same(seed: int) -> None:
    print(f"seed {seed}")
    random = Random(seed)
    member, time_ms = few(), 0
    stored: list[AppliedRequest] = []
    for number in range(400):
        time_ms += random.choice((0, 1, 20, 300, -40))
        member.remember(name(number), number + 1, time_ms, name(random.randrange(9)))
        newest = member.newest
        assert newest is not None
        # A disk may hold more of the past than is remembered, never less.
        stored = [*stored[-random.choice((60, 80)) :], newest]
        if random.random() < 0.2:
            other = few(stored)
            assert other.all() == member.all()
            assert all(other.find(each.request) == each for each in member.all())
            member = random.choice((member, other))


def test_ids_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        check_transaction(Transaction((), (Put(b"a", b""),), b"", b"short"))
    for request, digest in ((name(1), b"short"), (b"", name(1))):
        with pytest.raises(ValueError, match="16 bytes"):
            check_transaction(Transaction((), (Put(b"a", b""),), b"", request, digest))
