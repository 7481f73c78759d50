"""The log of a member on real files: replaced entries, compaction, torn tails, restarts."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from random import Random

import pytest

from podraft.server.raft.entries import Entry, EntryKind, HardState, Membership, SnapshotMark
from podraft.server.replication.log.member_storage import MemberStorage
from podraft.server.replication.log.records import (
    Folded,
    RecordFormatError,
    encode_base,
    encode_entry,
    encode_hard_state,
)
from podraft.server.store.log.frames import WalCorruptError
from podraft.server.store.log.wal import Wal
from support.sealing import SEALER

CLUSTER = bytes(16)
MEMBERS = Membership.of((1, 2, 3))
START = SnapshotMark(0, 0, MEMBERS)


class Written:
    """What the log should say."""

    def __init__(self) -> None:
        self.mark = START
        self.hard_state = HardState()
        self.entries: list[Entry] = []

    def copy(self) -> Written:
        made = Written()
        made.mark, made.hard_state, made.entries = self.mark, self.hard_state, self.entries[:]
        return made

    def check(self, folded: Folded) -> None:
        assert folded.finish() == self.mark
        assert folded.hard_state == self.hard_state
        assert folded.entries == self.entries


def load(directory: Path) -> tuple[MemberStorage, Folded]:
    storage = MemberStorage(Wal.open(directory, CLUSTER, 8192, SEALER))
    return storage, storage.load()


def next_write(random: Random, state: Written) -> tuple[list[bytes], int]:
    """Change ``state`` as a core might, and return the records and the last index."""
    records = []
    if random.random() < 0.4:
        state.hard_state = HardState(state.hard_state.term + 1, random.randrange(4))
        records.append(encode_hard_state(state.hard_state))
    last = state.mark.index + len(state.entries)
    # Mostly on at the end, sometimes over what was there.
    first = last + 1
    if state.entries and random.random() < 0.3:
        first = random.randint(max(state.mark.index + 1, last - 20), last)
    del state.entries[first - state.mark.index - 1 :]
    entries = [
        Entry(
            index,
            max(state.hard_state.term, 1),
            EntryKind.COMMAND,
            random.randbytes(random.randint(0, 300)),
            random.getrandbits(128),
        )
        for index in range(first, first + random.randint(1, 8))
    ]
    state.entries += entries
    return records + [encode_entry(entry) for entry in entries], entries[-1].index


@pytest.mark.parametrize("seed", range(6))
def test_every_restart_finds_what_was_durable(tmp_path: Path, seed: int) -> None:
    print(f"seed {seed}")
    random = Random(seed)
    state = Written()
    directory = tmp_path / "raft"
    storage, folded = load(directory)
    assert folded.mark is None
    storage.append_now((encode_base(START),))

    async def life(storage: MemberStorage) -> Written | None:
        """Write for a while; return what the log said before the last frame, if that can tear."""
        persisted = asyncio.Event()
        failures: list[BaseException] = []
        storage.start(lambda _: persisted.set(), failures.append)
        before: Written | None = None
        for sequence in range(1, random.randint(2, 60)):
            before = state.copy()
            persisted.clear()
            if state.entries and random.random() < 0.15:
                count = random.randint(1, len(state.entries))
                last = state.entries[count - 1]
                state.mark = SnapshotMark(last.index, last.term, MEMBERS)
                del state.entries[:count]
                storage.compact(state.mark, state.hard_state)
                # Once it is durable, what came before may be gone: it cannot be torn any more.
                before = None
            else:
                records, last_index = next_write(random, state)
                storage.write(sequence, records, last_index)
            await persisted.wait()
        await storage.close()
        assert not failures
        return before

    for round_ in range(8):
        before = asyncio.run(life(storage))
        torn = tmp_path / f"torn-{round_}"
        shutil.copytree(directory, torn)
        storage, folded = load(directory)
        state.check(folded)
        if before is not None:
            tear(random, torn, storage)
            _, found = load(torn)
            before.check(found)
    segments = sorted(directory.glob("*.wal"))
    assert segments[0].stem > f"{1:016x}", "segments that nothing needs stay"


def tear(random: Random, directory: Path, whole: MemberStorage) -> None:
    """Damage the last frame in the copy at ``directory``, as a power loss may."""
    path = max(directory.glob("*.wal"))
    end = whole._wal.offset
    data = bytearray(path.read_bytes())
    begin = data.rindex(b"FRAM", 0, end)
    # From somewhere in the frame on the disk has not got it.
    cut = random.randrange(begin, end - 1)
    if not any(data[cut:end]):
        cut = begin
    data[cut:end] = bytes(end - cut)
    path.write_bytes(data)


def test_what_leaves_a_gap_is_refused(tmp_path: Path) -> None:
    entry = Entry(3, 1, EntryKind.COMMAND, b"")
    folded = Folded()
    folded.add(encode_base(START))
    folded.add(encode_entry(entry))
    with pytest.raises(RecordFormatError, match="entries 1 to 2 are missing"):
        folded.finish()
    with pytest.raises(RecordFormatError, match="entry 5 follows 3"):
        folded.add(encode_entry(Entry(5, 1, EntryKind.COMMAND, b"")))
    for bad in (b"", b"\x09", encode_entry(entry)[:20], encode_hard_state(HardState())[:-1]):
        with pytest.raises(RecordFormatError):
            folded.add(bad)
    with pytest.raises(RecordFormatError, match="no beginning"):
        Folded().finish()


def test_a_log_of_another_kind_is_refused(tmp_path: Path) -> None:
    wal = Wal.open(tmp_path / "raft", CLUSTER, 8192, SEALER)
    assert not list(wal.replay(0))
    wal.append(wal.frame([b"no record"], 0, 1), 1)
    wal.close()
    with pytest.raises(WalCorruptError, match="record 1: record of unknown type"):
        load(tmp_path / "raft")
