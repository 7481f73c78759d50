"""The write-ahead log's files.

Owns: the segments ``<first index, 16 hex digits>.wal`` of one directory, and their format
(version 3, little-endian, every crc is a CRC-32C):

    segment header: magic 8 | version u32 | crc u32 | cluster id 16 | first index u64
    frame header:   magic u32 | crc u32 | body length u32 | entries u32 | first index u64 | term u64
    frame body:     entries x (length u32 | payload), sealed for the frame's place

Version 2 is the same without the seal; it is only read where sealing has just begun, and rewritten.

A frame is one batch: it is written with one write and made durable with one fdatasync
before the next one is written.  Its CRC (seeded with the cluster id) covers the batch as a
whole, so a batch is on disk entirely or not at all, and only the very last frame can be torn.

Invariants: on ``open`` a torn last frame, which nobody was told is durable, is cut off; any
other damage is a ``WalCorruptError`` that names file and offset, never a silent loss.  The seal
tells damage from a forgery, the CRC a torn frame from both, whatever keys there are.
A segment is preallocated with zeros and durable, name included, before it is used.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from google_crc32c import extend as extend_crc32c
from google_crc32c import value as crc32c

from podraft.server.encryption.sealing import OVERHEAD_BYTES, Sealer, SealError, key_of
from podraft.server.store.descriptors import RESERVE
from podraft.server.store.directory import StoreOpenError, sync_directory
from podraft.server.store.latencies import Latencies
from podraft.server.store.log.segment_files import SegmentFiles, allocate, free_gently

WAL_VERSION = 3
_UNSEALED_VERSION = 2
_CONTEXT = b"wal\0"
_SEGMENT_MAGIC = b"PODRAFTW"
_FRAME_MAGIC = 0x4D415246  # "FRAM" in the file
_FRAME_MAGIC_BYTES = _FRAME_MAGIC.to_bytes(4, "little")
_SEGMENT_HEADER = Struct("<8sII16sQ")
_FRAME_HEADER = Struct("<IIIIQQ")
_FRAME_CHECKED = Struct("<IIQQ")  # The frame header's part that the CRC covers.
_LENGTH = Struct("<I")
_ZEROS = bytes(1 << 20)
_RESEALED_STEP_BYTES = 4 * 1024 * 1024


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
    version: int = WAL_VERSION


@dataclass(frozen=True, slots=True)
class _Frame:
    """A whole frame: where it ends, what it holds."""

    end: int
    first_index: int
    term: int
    count: int
    checked: bytes
    body: bytes


class Wal:
    """An append-only sequence of entries with consecutive indexes.

    Not thread-safe; ``append`` is called by one thread at a time.
    """

    def __init__(
        self, directory: Path, cluster_id: bytes, segment_bytes: int, sealer: Sealer
    ) -> None:
        if len(cluster_id) != 16:
            raise ValueError("a cluster id has 16 bytes")
        self.directory = directory
        self._cluster_id = cluster_id
        self._seed = crc32c(cluster_id)
        self._sealer = sealer
        self._context = _CONTEXT + cluster_id
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
    def open(
        cls,
        directory: Path,
        cluster_id: bytes,
        segment_bytes: int,
        sealer: Sealer,
        *,
        accept_unsealed: bool = False,
    ) -> Wal:
        """Open the log in ``directory``, which is made if it is absent; ``replay`` comes next.

        Raises:
            WalCorruptError: A segment's header is damaged or of another cluster.
        """
        wal = cls(directory, cluster_id, segment_bytes, sealer)
        directory.mkdir(mode=0o700, exist_ok=True)
        for leftover in directory.glob("*.tmp"):
            leftover.unlink()
        for path in sorted(directory.glob("*.wal")):
            segment = wal._read_segment_header(path)
            if segment.version != WAL_VERSION and not accept_unsealed:
                raise WalCorruptError(
                    path, 8, "the segment is not sealed, though this directory is: it is not ours"
                )
            wal._segments.append(segment)
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
            expected = yield from self._read_segment(segment, after, last=last)
        self.next_index = expected
        if expected <= after:
            # The history is ahead of a log whose tail was lost: begin anew behind it.
            self.tail_lost = bool(self._segments)
            self._drop_all_segments()
            self.next_index = after + 1
        elif self._segments:
            self._seal_old_segments()
            self._descriptor = RESERVE.open(self._segments[-1].path, os.O_RDWR)
        if not self._segments:
            self._create_segment(self._segment_bytes)

    def frame(self, payloads: Sequence[bytes], term: int, first_index: int) -> bytes:
        """Return the bytes of one batch; costs no I/O, so any thread may make it."""
        parts: list[bytes] = []
        for payload in payloads:
            parts.append(_LENGTH.pack(len(payload)))
            parts.append(payload)
        plain = b"".join(parts)
        length = len(plain) + OVERHEAD_BYTES
        checked = _FRAME_CHECKED.pack(length, len(payloads), first_index, term)
        body = self._sealer.seal(plain, self._context + checked)
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
        _write_all(self._descriptor, frame, self.offset)
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

    # Sealing anew what is there already.

    def begin_segment(self) -> list[Path]:
        """Go on in a new segment; return the others, which do not change any more."""
        if self.offset > _SEGMENT_HEADER.size:
            # If there is no room for another one, it goes on in this one.
            before = self._descriptor
            self._create_segment(self._segment_bytes)
            os.close(before)
        return [segment.path for segment in self._segments[:-1]]

    def resealed(self, path: Path, pause: Callable[[], object] = bool) -> Path | None:
        """Return a copy of a segment that does not change, sealed with the active key.

        None: it is so already.  For any thread; ``pause`` is called now and then.

        Raises:
            WalCorruptError: The segment is damaged.
            OSError: It was removed meanwhile, or the disk does not take the copy.
        """
        segment = self._read_segment_header(path)
        if segment.version == WAL_VERSION and self._is_active(segment):
            return None
        copy = path.with_suffix(".resealed.tmp")
        # A frame that was not sealed grows; the rest of the file is zeros.
        descriptor = allocate(copy, self._segment_bytes)
        try:
            os.pwrite(descriptor, self._segment_header(segment.first_index), 0)
            end = synced = _SEGMENT_HEADER.size
            for offset, frame in self._frames(segment):
                payloads = self._payloads(segment, offset, frame)
                data = self.frame(payloads, frame.term, frame.first_index)
                _write_all(descriptor, data, end)
                end += len(data)
                if end - synced > _RESEALED_STEP_BYTES:
                    os.fdatasync(descriptor)
                    synced = end
                    pause()
            os.fsync(descriptor)
        except BaseException:
            copy.unlink()
            raise
        finally:
            os.close(descriptor)
        return copy

    def exchange(self, path: Path, copy: Path) -> None:
        """Put ``copy`` in the place of the segment at ``path``, if that is still needed."""
        if all(segment.path != path for segment in self._segments):
            copy.unlink()
            return
        old = RESERVE.open(path, os.O_RDWR | os.O_CLOEXEC)
        copy.rename(path)
        sync_directory(self.directory)
        free_gently(old)

    def _is_active(self, segment: _Segment) -> bool:
        active = self._sealer.active_id
        return all(key_of(frame.body) == active for _, frame in self._frames(segment))

    def _frames(self, segment: _Segment) -> Iterator[tuple[int, _Frame]]:
        """Yield the whole frames of a segment, and where they begin."""
        # Not mapped: a segment that is removed meanwhile is cut off bit by bit.
        with segment.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            offset = _SEGMENT_HEADER.size
            while True:
                head = os.pread(file.fileno(), _FRAME_HEADER.size, offset)
                if len(head) < _FRAME_HEADER.size:
                    return
                length = _FRAME_HEADER.unpack(head)[2]
                if offset + len(head) + length > size:
                    return
                body = os.pread(file.fileno(), length, offset + len(head))
                frame = self._valid_frame(head + body, 0)
                if frame is None:
                    return
                yield offset, replace(frame, end=offset + frame.end)
                offset += frame.end

    def _seal_old_segments(self) -> None:
        """Rewrite what an older version left without a seal; a crash in between does no harm."""
        for segment in self._segments:
            if segment.version == WAL_VERSION:
                continue
            copy = self.resealed(segment.path)
            assert copy is not None  # It was not sealed.
            self.exchange(segment.path, copy)
            segment.version = WAL_VERSION
            self.offset = _SEGMENT_HEADER.size
            for _, frame in self._frames(segment):
                self.offset = frame.end

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

    def _segment_header(self, first_index: int, version: int = WAL_VERSION) -> bytes:
        fields = (_SEGMENT_MAGIC, version, 0, self._cluster_id, first_index)
        crc = crc32c(_SEGMENT_HEADER.pack(*fields))
        return _SEGMENT_HEADER.pack(*fields[:2], crc, *fields[3:])

    def _read_segment_header(self, path: Path) -> _Segment:
        with path.open("rb") as file:
            header = file.read(_SEGMENT_HEADER.size)
        if len(header) < _SEGMENT_HEADER.size:
            raise WalCorruptError(path, len(header), "the segment's header is cut off")
        magic, version, _, cluster_id, first_index = _SEGMENT_HEADER.unpack(header)
        if magic != _SEGMENT_MAGIC:
            raise WalCorruptError(path, 0, "this is no podraft log")
        if version not in (WAL_VERSION, _UNSEALED_VERSION):
            raise WalCorruptError(
                path, 8, f"log format {version} is not known here, only {WAL_VERSION}"
            )
        if cluster_id != self._cluster_id:
            raise WalCorruptError(path, 16, "the log belongs to another cluster")
        if (
            header != self._segment_header(first_index, version)
            or path.stem != f"{first_index:016x}"
        ):
            raise WalCorruptError(path, 12, "the segment's header is damaged")
        return _Segment(path, int(first_index), version)

    # Reading and repair.

    def _read_segment(
        self, segment: _Segment, after: int, *, last: bool
    ) -> Generator[WalEntry, None, int]:
        """Yield a segment's entries after ``after``; return the index that follows its last one.

        Frames before them are checked, but not opened: at a start, these are most of a log.
        """
        with segment.path.open("rb") as file, _mapped(file) as data:
            offset = _SEGMENT_HEADER.size
            expected = segment.first_index
            while (frame := self._valid_frame(data, offset)) is not None:
                if frame.first_index != expected:
                    raise WalCorruptError(
                        segment.path, offset, f"index {frame.first_index}, expected {expected}"
                    )
                expected += frame.count
                if expected > after + 1:
                    for index, payload in enumerate(
                        self._payloads(segment, offset, frame), frame.first_index
                    ):
                        if index > after:
                            yield WalEntry(index, frame.term, payload)
                offset = frame.end
            size = len(data)
            torn = not _is_zero(data, offset)
            if torn:
                self._check_rest(segment.path, data, offset, last=last)
        if last:
            self.offset = offset
            if torn or size < self._segment_bytes:
                _wipe(segment.path, offset, max(size, self._segment_bytes))
                self.repaired_bytes = size - offset if torn else 0
        return expected

    def _valid_frame(self, data: mmap.mmap | bytes, offset: int) -> _Frame | None:
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
        return _Frame(end, first_index, term, count, checked, body)

    def _payloads(self, segment: _Segment, offset: int, frame: _Frame) -> tuple[bytes, ...]:
        body = frame.body
        if segment.version == WAL_VERSION:
            try:
                body = self._sealer.open(body, self._context + frame.checked)
            except SealError as error:
                raise WalCorruptError(segment.path, offset, f"a frame: {error}") from None
        return _split_payloads(body, frame.count)

    def _check_rest(self, path: Path, data: mmap.mmap, offset: int, *, last: bool) -> None:
        """Tell a torn last frame from damage: nothing whole can follow a torn frame."""
        found = data.find(_FRAME_MAGIC_BYTES, offset)
        while found >= 0:
            if self._valid_frame(data, found) is not None:
                raise WalCorruptError(
                    path, offset, f"a damaged frame; a whole one follows at offset {found}"
                )
            found = data.find(_FRAME_MAGIC_BYTES, found + 1)
        if not last:
            raise WalCorruptError(path, offset, "a damaged frame; a newer segment follows")


def _mapped(file: BinaryIO) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], offset + written)


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
