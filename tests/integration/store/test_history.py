"""The history file: growth, layout, reads of the past."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import lmdb
import pytest

from podraft.server.state.datastore import Event, Record
from podraft.server.store.history.history_file import History, HistoryBatch
from podraft.server.store.history.versions import HistoryFormatError
from podraft.server.store.log.segment_files import free_gently
from support.sealing import SEALER
from support.waiting import eventually


def batch(revision: int, key: bytes, value: bytes | None, previous: Record | None) -> HistoryBatch:
    created = revision if previous is None else previous.create_revision
    event = Event(revision, key, value, created if value is not None else 0, previous)
    return HistoryBatch(revision, revision, revision * 1000, (event,))


def test_the_map_grows_when_it_is_full(tmp_path: Path) -> None:
    history = History(tmp_path / "history", 128 * 1024, SEALER)
    for start in range(1, 400, 20):
        history.append(
            [batch(n, b"k%04d" % n, b"x" * 4000, None) for n in range(start, start + 20)]
        )
    history.close()
    history = History(tmp_path / "history", 128 * 1024, SEALER)
    assert history.applied_revision == 400
    assert len(list(history.newest())) == 400
    history.append([batch(401, b"more", b"x" * 100_000, None)])
    assert len(history.range(b"", b"", 0, 401)[0]) == 401
    history.close()


def test_the_time_of_a_revision_is_found(tmp_path: Path) -> None:
    history = History(tmp_path / "history", 1 << 20, SEALER)
    assert history.revision_before(10**15) == 0
    history.append([batch(n, b"k", b"%d" % n, None) for n in range(1, 101)])
    for time_ms, revision in ((0, 0), (1000, 0), (1001, 1), (50_500, 50), (10**9, 100)):
        assert history.revision_before(time_ms) == revision
    history.compact(60, 1000)
    assert history.revision_before(50_500) == 60
    assert history.revision_before(80_001) == 80
    history.close()


def test_compaction_may_be_interrupted_after_any_chunk(tmp_path: Path) -> None:
    previous = None
    batches = []
    for revision in range(1, 41):
        value = None if revision % 5 == 0 else b"%d" % revision
        batches.append(batch(revision, b"k", value, previous))
        created = previous.create_revision if previous else revision
        previous = Record(b"k", value, created, revision) if value is not None else None
    expected = [record for record in (previous,) if record]
    path = tmp_path / "history"
    history = History(path, 1 << 20, SEALER)
    history.append(batches)
    at = {n: history.range(b"", b"", 0, n) for n in range(1, 41)}
    done = False
    while not done:
        done = history.compact(39, 3)
        history.close()
        history = History(path, 1 << 20, SEALER)
        for revision in range(history.compacted, 41):
            assert history.range(b"", b"", 0, revision) == at[revision]
        assert list(history.newest()) == expected
    assert history.compacted == 39
    _, events = history.events_after(b"", 39, events_max=10, bytes_max=1000)
    assert [(e.revision, e.value, e.previous) for e in events] == [
        (40, None, batches[-1].events[0].previous)
    ]
    history.close()


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history"
    History(path, 1 << 20, SEALER).close()
    environment = lmdb.open(str(path), subdir=False, max_dbs=4)
    with environment.begin(write=True, db=environment.open_db(b"meta")) as transaction:
        transaction.put(b"layout", (99).to_bytes(8, "big"))
    environment.close()
    with pytest.raises(HistoryFormatError, match="layout 99, expected 3"):
        History(path, 1 << 20, SEALER)


def closed(descriptor: int) -> bool:
    return not Path(f"/proc/self/fd/{descriptor}").exists()


def test_a_file_without_a_name_is_freed_in_the_background_and_one_with_a_name_is_kept(
    tmp_path: Path,
) -> None:
    for named in (True, False):
        path = tmp_path / "file"
        path.write_bytes(bytes(10 << 20))
        descriptor = os.open(path, os.O_RDWR)
        watching = os.open(path, os.O_RDONLY)
        if not named:
            path.unlink()
        free_gently(descriptor)
        eventually(partial(closed, descriptor))
        assert os.fstat(watching).st_size == (10 << 20 if named else 2 << 20)
        os.close(watching)
