"""What the store's errors tell: which revision was asked for, and which there are."""

from __future__ import annotations

from podraft.server.state.datastore import FutureRevisionError, RevisionCompactedError
from podraft.server.state.past import BeforeHistoryError, Kept
from podraft.server.state.retention import Retention


def test_errors_name_what_was_asked_for_and_what_there_is() -> None:
    compacted = RevisionCompactedError(3, 17)
    assert str(compacted) == "revision 3 was compacted; the oldest kept is 17"
    assert compacted.oldest == 17
    future = FutureRevisionError(29, 17)
    assert str(future) == "revision 29 is in the future; the store is at 17"
    kept = Kept(5, 1_000, 9, Retention())
    early = BeforeHistoryError(kept)
    assert (str(early), early.kept) == ("the moment is older than what is kept", kept)
