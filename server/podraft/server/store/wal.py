"""The write-ahead log's files.

Owns: the segments ``<first index, 16 hex digits>.wal`` of one directory, and their format
(version 2, little-endian, every crc is a CRC-32C):

    segment header: magic 8 | version u32 | crc u32 | cluster id 16 | first index u64
    frame header:   magic u32 | crc u32 | body length u32 | entries u32 | first index u64 | term u64
    frame body:     entries x (length u32 | payload)

A frame is one batch: it is written with one write and made durable with one fdatasync
before the next one is written.  Its CRC (seeded with the cluster id) covers the batch as a
whole, so a batch is on disk entirely or not at all, and only the very last frame can be torn.

Invariants: on ``open`` a torn last frame, which nobody was told is durable, is cut off; any
other damage is a ``WalCorruptError`` that names file and offset, never a silent loss.
A segment is preallocated with zeros and durable, name included, before it is used.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from google_crc32c import extend as extend_crc32c
from google_crc32c import value as crc32c

from podraft.server.store.descriptors import RESERVE
from podraft.server.store.directory import StoreOpenError, sync_directory
from podraft.server.store.latencies import Latencies
from podraft.server.store.segment_files import SegmentFiles, allocate

WAL_VERSION = 2
_SEGMENT_MAGIC = b"PODRAFTW"
_FRAME_MAGIC = 0x4D415246  # "FRAM" in the file
_FRAME_MAGIC_BYTES = _FRAME_MAGIC.to_bytes(4, "little")
_SEGMENT_HEADER = Struct("<8sII16sQ")
_FRAME_HEADER = Struct("<IIIIQQ")
_FRAME_CHECKED = Struct("<IIQQ")  # The frame header's part that the CRC covers.
_LENGTH = Struct("<I")
_ZEROS = bytes(1 << 20)


class WalCorruptError(StoreOpenError):
    """The log is damaged where it was already durable, or is no log of this cluster."""

    def __init__(self, path: Path, offset: int, problem: str) -> None:
        super().__init__(f"{path}: offset {offset}: {problem}")
        self.path = path
        self.offset = offset


@dataclass(frozen=True, slots=True)
class WalEntry:
    """One command at its place in the log."""

    index: int
    term: int
    payload: bytes


@dataclass(slots=True)
class _Segment:
    path: Path
    first_index: int


@dataclass(frozen=True, slots=True)
class _Frame:
    """A valid frame: where it is, what it holds."""

    end: int
    first_index: int
    term: int
    payloads: tuple[bytes, ...]


class Wal:
    """An append-only sequence of entries with consecutive indexes.

    Not thread-safe; ``append`` is called by one thread at a time.
    """

    def __init__(self, directory: Path, cluster_id: bytes, segment_bytes: int) -> None:
        if len(cluster_id) != 16:
            raise ValueError("a cluster id has 16 bytes")
        self.directory = directory
        self._cluster_id = cluster_id
        self._seed = crc32c(cluster_id)
        self._segment_bytes = segment_bytes
        self._segments: list[_Segment] = []
        self._files = SegmentFiles(directory, segment_bytes)
        self._descriptor = -1
        self.offset = 0
        self.next_index = 1
        self.repaired_bytes = 0
        # Whether the log ends before what it was replayed after, so that more may be missing.
        self.tail_lost = False
        # How long a batch takes to be durable.
        self.syncs = Latencies()

    @classmethod
    def open(cls, directory: Path, cluster_id: bytes, segment_bytes: int) -> Wal:
        """Open the log in ``directory``, which is made if it is absent; ``replay`` comes next.

        Raises:
            WalCorruptError: A segment's header is damaged or of another cluster.
        """
        wal = cls(directory, cluster_id, segment_bytes)
        directory.mkdir(exist_ok=True)
        for leftover in directory.glob("*.tmp"):
            leftover.unlink()
        for path in sorted(directory.glob("*.wal")):
            wal._segments.append(_Segment(path, wal._read_segment_header(path)))
        return wal

    @property
    def first_index(self) -> int:
        """The first index that the files hold, or will."""
        return self._segments[0].first_index if self._segments else self.next_index

    def replay(self, after: int) -> Iterator[WalEntry]:
        """Yield the entries after index ``after``, repair a torn tail, and get ready to append.

        Must be consumed entirely before the first ``append``.

        Raises:
            WalCorruptError: Damage before the last frame, or entries are missing.
        """
        for path in self._take_segments_through(after):
            path.unlink()
        if self._segments and self._segments[0].first_index > after + 1:
            first = self._segments[0]
            raise WalCorruptError(
                first.path, 0, f"the log begins at {first.first_index}, {after + 1} is missing"
            )
        expected = self._segments[0].first_index if self._segments else after + 1
        for number, segment in enumerate(self._segments):
            if segment.first_index != expected:
                raise WalCorruptError(
                    segment.path, 0, f"entries {expected} to {segment.first_index - 1} are missing"
                )
            last = number == len(self._segments) - 1
            for entry in self._read_segment(segment, last=last):
                expected = entry.index + 1
                if entry.index > after:
                    yield entry
        self.next_index = expected
        if expected <= after:
            # The history is ahead of a log whose tail was lost: begin anew behind it.
            self.tail_lost = bool(self._segments)
            self._drop_all_segments()
            self.next_index = after + 1
        elif self._segments:
            self._descriptor = RESERVE.open(self._segments[-1].path, os.O_RDWR)
        if not self._segments:
            self._create_segment(self._segment_bytes)

    def frame(self, payloads: Sequence[bytes], term: int, first_index: int) -> bytes:
        """Return the bytes of one batch; costs no I/O, so any thread may make it."""
        parts: list[bytes] = []
        for payload in payloads:
            parts.append(_LENGTH.pack(len(payload)))
            parts.append(payload)
        body = b"".join(parts)
        checked = _FRAME_CHECKED.pack(len(body), len(payloads), first_index, term)
        crc = extend_crc32c(extend_crc32c(self._seed, checked), body)
        return b"".join((_FRAME_MAGIC_BYTES, _LENGTH.pack(crc), checked, body))

    def append(self, frame: bytes, entries: int) -> None:
        """Write one batch and make it durable.  After an ``OSError`` the log is unusable."""
        end = self.offset + len(frame)
        if end > self._segment_bytes and self.offset > _SEGMENT_HEADER.size:
            os.close(self._descriptor)
            self._descriptor = -1
            self._create_segment(max(self._segment_bytes, _SEGMENT_HEADER.size + len(frame)))
        self.syncs.begin()
        written = os.pwrite(self._descriptor, frame, self.offset)
        while written < len(frame):
            written += os.pwrite(self._descriptor, frame[written:], self.offset + written)
        os.fdatasync(self._descriptor)
        self.syncs.end()
        self.offset += len(frame)
        self.next_index += entries
        if 2 * self.offset > self._segment_bytes:
            self._files.prepare()

    def release(self, through: int) -> None:
        """Remove segments all of whose entries are at or below index ``through``."""
        # Needs no sync: a segment that is back after a power loss is dropped again.
        for path in self._take_segments_through(through):
            self._files.remove(path)

    def close(self) -> None:
        """Close the files; everything appended is durable already."""
        self._files.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    # Files.

    def _create_segment(self, size: int) -> None:
        first_index = self.next_index
        path = self.directory / f"{first_index:016x}.wal"
        temporary = path.with_suffix(".tmp")
        descriptor = self._files.take(temporary) if size == self._segment_bytes else None
        if descriptor is None:
            descriptor = allocate(temporary, size)
        try:
            os.pwrite(descriptor, self._segment_header(first_index), 0)
            os.fdatasync(descriptor)
            temporary.rename(path)
            sync_directory(self.directory)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self.offset = _SEGMENT_HEADER.size
        self._segments.append(_Segment(path, first_index))

    def _take_segments_through(self, index: int) -> list[Path]:
        taken = []
        while len(self._segments) > 1 and self._segments[1].first_index <= index + 1:
            taken.append(self._segments.pop(0).path)
        return taken

    def _drop_all_segments(self) -> None:
        # The newest first: what is left after a crash is again a log that ends early.
        while self._segments:
            self._segments.pop().path.unlink()
            sync_directory(self.directory)

    def _segment_header(self, first_index: int) -> bytes:
        fields = (_SEGMENT_MAGIC, WAL_VERSION, 0, self._cluster_id, first_index)
        crc = crc32c(_SEGMENT_HEADER.pack(*fields))
        return _SEGMENT_HEADER.pack(*fields[:2], crc, *fields[3:])

    def _read_segment_header(self, path: Path) -> int:
        with path.open("rb") as file:
            header = file.read(_SEGMENT_HEADER.size)
        if len(header) < _SEGMENT_HEADER.size:
            raise WalCorruptError(path, len(header), "the segment's header is cut off")
        magic, version, _, cluster_id, first_index = _SEGMENT_HEADER.unpack(header)
        if magic != _SEGMENT_MAGIC:
            raise WalCorruptError(path, 0, "this is no podraft log")
        if version != WAL_VERSION:
            raise WalCorruptError(
                path, 8, f"log format {version} is not known here, only {WAL_VERSION}"
            )
        if cluster_id != self._cluster_id:
            raise WalCorruptError(path, 16, "the log belongs to another cluster")
        if header != self._segment_header(first_index) or path.stem != f"{first_index:016x}":
            raise WalCorruptError(path, 12, "the segment's header is damaged")
        return int(first_index)

    # Reading and repair.

    def _read_segment(self, segment: _Segment, *, last: bool) -> Iterator[WalEntry]:
        with segment.path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
            offset = _SEGMENT_HEADER.size
            expected = segment.first_index
            while (frame := self._valid_frame(data, offset)) is not None:
                if frame.first_index != expected:
                    raise WalCorruptError(
                        segment.path, offset, f"index {frame.first_index}, expected {expected}"
                    )
                for payload in frame.payloads:
                    yield WalEntry(expected, frame.term, payload)
                    expected += 1
                offset = frame.end
            self._check_rest(segment.path, data, offset, last=last)
            size = len(data)
            torn = not _is_zero(data, offset)
        if last:
            self.offset = offset
            if torn or size < self._segment_bytes:
                _wipe(segment.path, offset, max(size, self._segment_bytes))
                self.repaired_bytes = size - offset if torn else 0

    def _valid_frame(self, data: mmap.mmap, offset: int) -> _Frame | None:
        body_start = offset + _FRAME_HEADER.size
        if body_start > len(data):
            return None
        magic, crc, length, count, first_index, term = _FRAME_HEADER.unpack_from(data, offset)
        end = body_start + length
        if magic != _FRAME_MAGIC or end > len(data) or not count:
            return None
        body = data[body_start:end]
        checked = data[offset + 8 : body_start]
        if extend_crc32c(extend_crc32c(self._seed, checked), body) != crc:
            return None
        return _Frame(end, first_index, term, _split_payloads(body, count))

    def _check_rest(self, path: Path, data: mmap.mmap, offset: int, *, last: bool) -> None:
        """Tell a torn last frame from damage: nothing whole can follow a torn frame."""
        found = data.find(_FRAME_MAGIC_BYTES, offset)
        while found >= 0:
            if self._valid_frame(data, found) is not None:
                raise WalCorruptError(
                    path, offset, f"a damaged frame; a whole one follows at offset {found}"
                )
            found = data.find(_FRAME_MAGIC_BYTES, found + 1)
        if not last and not _is_zero(data, offset):
            raise WalCorruptError(path, offset, "a damaged frame; a newer segment follows")


def _split_payloads(body: bytes, count: int) -> tuple[bytes, ...]:
    payloads = []
    offset = 0
    for _ in range(count):
        start = offset + _LENGTH.size
        offset = start + _LENGTH.unpack_from(body, offset)[0]
        payloads.append(body[start:offset])
    return tuple(payloads)


def _is_zero(data: mmap.mmap, offset: int) -> bool:
    while offset < len(data):
        chunk = data[offset : offset + len(_ZEROS)]
        if chunk != _ZEROS[: len(chunk)]:
            return False
        offset += len(chunk)
    return True


def _wipe(path: Path, offset: int, size: int) -> None:
    """Cut ``path`` at ``offset`` and fill it with zeros up to ``size``, durably."""
    descriptor = RESERVE.open(path, os.O_RDWR)
    try:
        os.ftruncate(descriptor, offset)
        os.posix_fallocate(descriptor, 0, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
