"""How much history may be kept: bytes, besides age and number."""

from hypothesis import given, settings
from hypothesis import strategies as st

from podraft.server.state.retention import (
    Retention,
    WrittenBytes,
    compaction_target,
    horizon_ms,
    revision_at_bytes,
)

RETENTION = Retention(keep_s=1e9, keep_revisions=10**9, keep_bytes=1_000)


@given(st.lists(st.integers(0, 400), max_size=60), st.integers(1, 300))
def test_after_compaction_no_more_is_kept_than_allowed_but_for_one_revision(sizes, step):
    written = WrittenBytes(0, 0, 0, step)
    compacted, exact = 0, {0: 0}
    for revision, size in enumerate(sizes, 1):
        written.add(revision, size)
        exact[revision] = exact[revision - 1] + size
        by_size = revision_at_bytes(RETENTION, written)
        target = compaction_target(
            RETENTION,
            current=revision,
            compacted=compacted,
            revision_at_horizon=0,
            revision_at_bytes=by_size,
        )
        if target is not None:
            compacted = target
            written.forget(target)
        kept = exact[revision] - exact[compacted]
        # What lies between two samples is interpolated: one step, and the largest revision.
        assert kept <= RETENTION.keep_bytes + step + 400
        if exact[revision] <= RETENTION.keep_bytes:
            assert compacted == 0


def test_what_was_there_at_the_start_counts_too():
    written = WrittenBytes(100, 200, 5_000)
    assert revision_at_bytes(RETENTION, written) == 181


def test_counting_takes_a_bounded_amount_of_memory():
    written = WrittenBytes(0, 0, 0)
    for revision in range(1, 50_000):
        written.add(revision, 100)
    assert len(written._samples) < 10


def test_a_day_is_kept_by_default_and_at_most_a_million_revisions_of_two_kibibytes():
    assert Retention() == Retention(86_400.0, 1_000_000, 2 << 30)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=40),
    st.integers(0, 50),
    st.data(),
)
def test_with_a_sample_for_every_revision_all_is_exact(sizes, first, data):
    written = WrittenBytes(first, first, 0, step=1)
    total = [0]
    for number, size in enumerate(sizes, 1):
        written.add(first + number, size)
        total.append(total[-1] + size)
    forgotten = 0
    for _ in range(3):
        # What is forgotten already stays so.
        to = data.draw(st.integers(0, len(sizes)))
        written.forget(first + to)
        forgotten = max(forgotten, to)
        assert written.kept == total[-1] - total[forgotten]
        size = data.draw(st.integers(0, written.kept))
        expected = next(at for at in range(len(total)) if total[-1] - total[at] <= size)
        assert written.begin_of(size) == first + expected
    assert written.begin_of(written.kept + 1_000) <= first + forgotten


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 50), st.integers(1, 60), st.integers(1, 2_000), st.data())
def test_revisions_of_one_size_are_counted_exactly_however_few_samples_there_are(
    size, count, step, data
):
    written = WrittenBytes(7, 7, 0, step)
    for revision in range(8, 8 + count):
        written.add(revision, size)
    most = count * size // step + 2
    assert len(written._samples) <= most + 1
    allowed = data.draw(st.integers(0, count)) * size
    assert written.begin_of(allowed) == 7 + count - allowed // size
    for to in sorted(data.draw(st.lists(st.integers(0, count), max_size=4))):
        written.forget(7 + to)
        assert written.kept == (count - to) * size
        assert len(written._samples) <= max(most - to * size // max(step, size) + 1, 2)


def test_samples_are_taken_at_every_step_and_go_with_what_they_count():
    written = WrittenBytes(0, 0, 0, step=100)
    lengths = []
    for revision in range(1, 9):
        written.add(revision, 50)
        lengths.append(len(written._samples))
    assert lengths == [2, 3, 3, 4, 4, 5, 5, 6]
    lengths = []
    for revision in range(9):
        written.forget(revision)
        lengths.append(len(written._samples))
    assert lengths == [5, 5, 4, 4, 3, 3, 2, 2, 2]


def test_what_was_there_at_the_start_is_taken_for_evenly_spread():
    written = WrittenBytes(100, 200, 5_000)
    found = [written.kept]
    for revision in (100, 50, 150, 120, 200, 300):
        written.forget(revision)
        found.append(written.kept)
    assert found == [5_000, 5_000, 5_000, 2_500, 2_500, 0, 0]
    assert WrittenBytes(100, 200, 5_000).begin_of(1_010) == 180
    assert WrittenBytes(100, 200, 5_000).begin_of(999) == 181
    # A disk that says less than it was begun with.
    assert WrittenBytes(100, 90, 0).begin_of(0) == 100


def test_nothing_goes_at_the_very_bound_and_a_twentieth_more_than_needed_beyond_it():
    written = WrittenBytes(0, 1_000, 1_000)
    assert revision_at_bytes(RETENTION, written) == 0
    written = WrittenBytes(0, 1_001, 1_001)
    assert revision_at_bytes(RETENTION, written) == 51
    large = WrittenBytes(0, 100_000, 100_000)
    assert revision_at_bytes(Retention(keep_bytes=10_000), large) == 90_500


def test_steps_are_one_at_least():
    assert horizon_ms(Retention(keep_s=1.0), now_ms=5_001, interval_s=0.0) == 4_001
    few = Retention(keep_revisions=10)
    assert compaction_target(few, current=15, compacted=0, revision_at_horizon=0) == 5
