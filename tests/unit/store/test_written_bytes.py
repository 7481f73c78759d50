"""How much history may be kept: bytes, besides age and number."""

from hypothesis import given
from hypothesis import strategies as st

from podraft.server.state.retention import (
    Retention,
    WrittenBytes,
    compaction_target,
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
