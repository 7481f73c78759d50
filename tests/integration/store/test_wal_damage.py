"""Power loss and damage, byte by byte: a torn last frame is repaired, anything else is said."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from podraft.server.encryption.key_file import beside
from podraft.server.encryption.sealing import Sealer, new_data_key
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.log.frames import WAL_VERSION, WalCorruptError
from podraft.server.store.log.wal import Wal
from podraft.server.store.options import StoreOptions
from support.sealing import SEALER
from support.waiting import eventually

CLUSTER = b"0123456789abcdef"
SEGMENT_BYTES = 1024


def open_wal(directory: Path, after: int = 0) -> tuple[Wal, list[bytes]]:
    wal = Wal.open(directory, CLUSTER, SEGMENT_BYTES, SEALER)
    return wal, [entry.payload for entry in wal.replay(after)]


def append(wal: Wal, payloads: list[bytes]) -> None:
    wal.append(wal.frame(payloads, 0, wal.next_index), len(payloads))


class Written:
    """A log of three frames in its only segment, and where they begin."""

    def __init__(self, directory: Path) -> None:
        wal, _ = open_wal(directory)
        self.path = next(directory.glob("*.wal"))
        empty = self.path.read_bytes().rstrip(b"\0")
        # The header's last bytes may be zeros; the frames begin behind all of it.
        self.starts = [max(40, len(empty))]
        self.batches = [[b"", b"first"], [b"second" * 5], [b"third", b"3rd", b"\0" * 9 + b"x"]]
        for batch in self.batches:
            append(wal, batch)
            self.starts.append(wal.offset)
        wal.close()
        self.bytes = self.path.read_bytes()

    def payloads(self, frames: int) -> list[bytes]:
        return [payload for batch in self.batches[:frames] for payload in batch]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "wal")


def assert_repaired(directory: Path, kept: list[bytes]) -> None:
    """The log has exactly ``kept``, takes more, and is whole from then on."""
    wal, found = open_wal(directory)
    assert found == kept
    append(wal, [b"after"])
    wal.close()
    wal, found = open_wal(directory)
    assert found == [*kept, b"after"]
    assert wal.repaired_bytes == 0
    wal.close()


def test_a_log_cut_at_any_byte_keeps_every_whole_frame(written: Written) -> None:
    for cut in range(written.starts[0], written.starts[3] + 1):
        # The rest is missing, or is zeros since it was preallocated.
        for damaged in (
            written.bytes[:cut],
            written.bytes[:cut] + bytes(len(written.bytes) - cut),
        ):
            # What was cut off may have been zeros, too.
            whole = sum(damaged[:end] == written.bytes[:end] for end in written.starts[1:])
            written.path.write_bytes(damaged)
            assert_repaired(written.path.parent, written.payloads(whole))


def test_only_what_is_wanted_is_opened(written: Written) -> None:
    stranger = Sealer(new_data_key())
    wal = Wal.open(written.path.parent, CLUSTER, SEGMENT_BYTES, stranger)
    assert not list(wal.replay(6))
    assert wal.next_index == 7
    wal.close()
    wal = Wal.open(written.path.parent, CLUSTER, SEGMENT_BYTES, stranger)
    with pytest.raises(WalCorruptError, match="data key"):
        list(wal.replay(5))


def test_a_last_frame_whose_beginning_was_lost_is_repaired(written: Written) -> None:
    start, end = written.starts[2:4]
    for cut in range(start + 1, end):
        # The disk took the later pages of the frame, but not the earlier ones.
        lost = bytes(cut - start)
        written.path.write_bytes(written.bytes[:start] + lost + written.bytes[cut:])
        assert_repaired(written.path.parent, written.payloads(2))


def test_a_flipped_bit_in_the_last_frame_drops_that_frame_only(written: Written) -> None:
    random = Random(3)
    for offset in range(written.starts[2], written.starts[3]):
        damaged = bytearray(written.bytes)
        damaged[offset] ^= 1 << random.randrange(8)
        written.path.write_bytes(damaged)
        assert_repaired(written.path.parent, written.payloads(2))


def test_a_flipped_bit_before_the_last_frame_is_an_error_that_says_where(
    written: Written,
) -> None:
    random = Random(4)
    for offset in range(written.starts[2]):
        damaged = bytearray(written.bytes)
        damaged[offset] ^= 1 << random.randrange(8)
        written.path.write_bytes(damaged)
        with pytest.raises(WalCorruptError) as error:
            open_wal(written.path.parent)
        assert error.value.path == written.path
        frames = [start for start in written.starts if start <= offset]
        assert error.value.offset == frames[-1] if frames else error.value.offset < 40
        assert str(written.path) in str(error.value)
        assert written.path.read_bytes() == bytes(damaged), "damage was made worse"


def test_garbage_behind_the_last_frame_is_wiped(written: Written) -> None:
    end = written.starts[3]
    written.path.write_bytes(written.bytes[:end] + b"FRAM" * 50)
    assert_repaired(written.path.parent, written.payloads(3))


def test_a_flipped_bit_anywhere_in_the_preallocated_rest_loses_nothing(written: Written) -> None:
    random = Random(6)
    for offset in range(written.starts[3], len(written.bytes)):
        damaged = bytearray(written.bytes)
        damaged[offset] ^= 1 << random.randrange(8)
        written.path.write_bytes(damaged)
        assert_repaired(written.path.parent, written.payloads(3))


def test_a_log_in_another_format_is_refused_by_its_number(written: Written) -> None:
    other = bytearray(written.bytes)
    other[8:12] = (WAL_VERSION + 1).to_bytes(4, "little")
    written.path.write_bytes(other)
    with pytest.raises(
        WalCorruptError, match=f"log format {WAL_VERSION + 1} is not known"
    ) as error:
        open_wal(written.path.parent)
    assert (error.value.path, error.value.offset) == (written.path, 8)
    assert written.path.read_bytes() == other


def fill_segments(directory: Path) -> list[bytes]:
    """Write a log of several segments; return its payloads."""
    wal, _ = open_wal(directory)
    payloads = [b"%03d" % n * 30 for n in range(60)]
    for payload in payloads:
        append(wal, [payload])
    wal.close()
    return payloads


def test_segments_follow_each_other_and_frames_larger_than_one_fit(tmp_path: Path) -> None:
    directory = tmp_path / "wal"
    payloads = fill_segments(directory)
    assert len(list(directory.glob("*.wal"))) > 5
    wal, found = open_wal(directory)
    assert found == payloads
    append(wal, [b"x" * 5 * SEGMENT_BYTES])
    append(wal, [b"y"])
    wal.close()
    wal, found = open_wal(directory)
    wal.close()
    assert found == [*payloads, b"x" * 5 * SEGMENT_BYTES, b"y"]


def test_damage_in_an_older_segment_is_an_error(tmp_path: Path) -> None:
    directory = tmp_path / "wal"
    fill_segments(directory)
    segment = sorted(directory.glob("*.wal"))[2]
    whole = segment.read_bytes()
    used = len(whole.rstrip(b"\0"))
    for offset in range(0, used, 7):
        for damaged in (
            whole[:offset],
            whole[:offset] + bytes((whole[offset] ^ 0x10,)) + whole[offset + 1 :],
        ):
            segment.write_bytes(damaged)
            with pytest.raises(WalCorruptError):
                open_wal(directory)
    segment.unlink()
    with pytest.raises(WalCorruptError, match="are missing"):
        open_wal(directory)


def test_released_segments_go_and_the_rest_still_replays(tmp_path: Path) -> None:
    directory = tmp_path / "wal"
    payloads = fill_segments(directory)
    wal, _ = open_wal(directory)
    before = len(list(directory.glob("*.wal")))
    wal.release(30)
    wal.close()
    assert len(list(directory.glob("*.wal"))) < before
    wal, found = open_wal(directory, after=30)
    wal.close()
    assert found == payloads[30:]
    with pytest.raises(WalCorruptError, match="is missing"):
        open_wal(directory, after=2)


def test_the_log_of_another_cluster_is_refused(written: Written) -> None:
    with pytest.raises(WalCorruptError, match="another cluster"):
        Wal.open(written.path.parent, b"f" * 16, SEGMENT_BYTES, SEALER)


def test_a_half_made_segment_is_removed(written: Written) -> None:
    leftover = written.path.with_name("00000000000000ff.tmp")
    leftover.write_bytes(b"half")
    wal, found = open_wal(written.path.parent)
    wal.close()
    assert found == written.payloads(3)
    assert not leftover.exists()


def test_the_next_segment_is_there_before_it_is_needed_and_old_ones_leave_nothing(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "wal"
    wal, _ = open_wal(directory)
    payload = b"x" * (SEGMENT_BYTES // 3)
    spare = directory / "spare.tmp"
    made = set()
    for number in range(1, 20):
        append(wal, [payload])
        if number % 2 == 0:
            # More than half of the segment is used: from now on there is a spare one.
            eventually(lambda: spare.exists() and spare.stat().st_size == SEGMENT_BYTES)
            made.add(spare.stat().st_ino)
    used = {path.stat().st_ino for path in directory.glob("*.wal")}
    assert len(used & made) >= 5
    wal.release(15)
    assert not (directory / f"{1:016x}.wal").exists()
    wal.close()
    assert not list(directory.glob("*.tmp"))
    wal, found = open_wal(directory, after=15)
    wal.close()
    assert found == [payload] * 4


def test_a_crash_while_segments_are_made_and_removed_leaves_a_whole_log(tmp_path: Path) -> None:
    directory = tmp_path / "wal"
    payloads = fill_segments(directory)
    first = min(directory.glob("*.wal"))
    # Half removed, half made.
    first.rename(first.with_suffix(".old.tmp"))
    (directory / "spare.tmp").write_bytes(bytes(100))
    wal, found = open_wal(directory, after=30)
    wal.close()
    assert found == payloads[30:]
    assert not list(directory.glob("*.tmp"))


# The whole store.

LOG_ONLY = StoreOptions(segment_bytes=8192, history_flush_interval_s=100.0)


async def values(directory: Path, options: StoreOptions) -> list[bytes]:
    store = await EmbeddedDatastore.open(directory, options=options)
    try:
        records = (await store.range(b"")).records
        assert store.revision == len(records)
        return [record.value for record in records]
    finally:
        await store.close()


def test_the_store_keeps_what_was_acknowledged_before_the_torn_transaction(
    tmp_path: Path,
) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    options = replace(LOG_ONLY, keys=beside(live))

    async def write() -> list[int]:
        store = await EmbeddedDatastore.open(live, options=options)
        ends = []
        for number in range(4):
            value = b"value %d" % number
            await store.transact(Transaction((), (Put(b"k%d" % number, value, stamped=False),)))
            ends.append(store._wal.offset)
        # As if power were lost now: the history file has nothing yet.
        shutil.copytree(live, copy)
        await store.close()
        return ends

    ends = asyncio.run(write())
    segment = next((copy / "wal").glob("*.wal"))
    history = (copy / "history.lmdb").read_bytes()
    whole = segment.read_bytes()
    for cut in range(ends[2], ends[3], 3):
        segment.write_bytes(whole[:cut])
        (copy / "history.lmdb").write_bytes(history)
        assert asyncio.run(values(copy, options)) == [b"value 0", b"value 1", b"value 2"]


def test_a_log_that_ends_before_the_state_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def write(count: int) -> None:
        store = await EmbeddedDatastore.open(tmp_path / "data", options=LOG_ONLY)
        for number in range(count):
            await store.transact(Transaction((), (Put(b"k%d" % number, b"v"),)))
        await store.close()

    asyncio.run(write(3))
    segment = next((tmp_path / "data" / "wal").glob("*.wal"))
    early = segment.read_bytes()
    asyncio.run(write(3))
    assert "last part is lost" not in caplog.text
    segment.write_bytes(early)
    asyncio.run(write(1))
    assert "the log ended before the state" in caplog.text
    assert "from revision 6" in caplog.text


def test_a_history_that_is_ahead_of_a_lost_log_is_continued(tmp_path: Path) -> None:
    async def write(key: bytes) -> int:
        store = await EmbeddedDatastore.open(tmp_path / "data")
        await store.transact(Transaction((), (Put(key, b""),)))
        await store.close()
        return store.revision

    for number in range(3):
        assert asyncio.run(write(b"k%d" % number)) == number + 1
        shutil.rmtree(tmp_path / "data" / "wal")
    assert len(asyncio.run(values(tmp_path / "data", LOG_ONLY))) == 3
