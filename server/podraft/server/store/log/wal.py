"""The write-ahead log: an append-only sequence of entries in the segments of one directory.

Owns: the list of segments, ``<first index, 16 hex digits>.wal``, and the place of the next frame;
``frames`` owns their format, ``segments`` reads them.

A frame is one batch: it is written with one write and made durable with one fdatasync
before the next one is written, so a batch is on disk entirely or not at all, and only the very last
frame can be torn.

Invariant: a segment is preallocated with zeros and durable, name included, before it is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from podraft.server.encryption.sealing import Sealer
from podraft.server.store.descriptors import RESERVE
from podraft.server.store.directory import sync_directory
from podraft.server.store.latencies import Latencies
from podraft.server.store.log.frames import (
    SEGMENT_HEADER_BYTES,
    WAL_VERSION,
    FrameFormat,
    Segment,
    WalCorruptError,
)
from podraft.server.store.log.segment_files import SegmentFiles, allocate, free_gently
from podraft.server.store.log.segments import (
    SegmentEnd,
    WalEntry,
    open_segment,
    read_segment,
    resealed_segment,
    whole_frames,
    wipe,
    write_all,
)


class Wal:
    """An append-only sequence of entries with consecutive indexes.

    Not thread-safe; ``append`` is called by one thread at a time.
    """

    def __init__(
        self, directory: Path, cluster_id: bytes, segment_bytes: int, sealer: Sealer
    ) -> None:
        self.directory = directory
        self._form = FrameFormat(cluster_id, sealer)
        self._segment_bytes = segment_bytes
        self._segments: list[Segment] = []
        self._files = SegmentFiles(directory, segment_bytes)
        self._descriptor = -1
        self.offset = 0
        self.next_index = 1
        self.repaired_bytes = 0
        # Whether the log ends before what it was replayed after, so that more may be missing.
        self.tail_lost = False
        # How long it takes until a batch is durable.
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
            segment = open_segment(wal._form, path)
            if segment.version != WAL_VERSION and not accept_unsealed:
                raise WalCorruptError(
                    path, 8, "the segment is not sealed, though this directory is: it is not ours"
                )
            wal._segments.append(segment)
        return wal

    @property
    def first_index(self) -> int:
        """The first index that the files hold, or will hold."""
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
            end = yield from read_segment(self._form, segment, after, last=last)
            expected = end.next_index
            if last:
                self._repair(segment, end)
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

    def _repair(self, segment: Segment, end: SegmentEnd) -> None:
        """Go on behind the last whole frame, wiping everything after it."""
        self.offset = end.offset
        if end.torn or end.size < self._segment_bytes:
            wipe(segment.path, end.offset, max(end.size, self._segment_bytes))
            self.repaired_bytes = end.size - end.offset if end.torn else 0

    def frame(self, payloads: Sequence[bytes], term: int, first_index: int) -> bytes:
        """Return the bytes of one batch; without I/O, so any thread may call it."""
        return self._form.frame(payloads, term, first_index)

    def append(self, frame: bytes, entries: int) -> None:
        """Write one batch and make it durable.  After an ``OSError`` the log is unusable."""
        end = self.offset + len(frame)
        if end > self._segment_bytes and self.offset > SEGMENT_HEADER_BYTES:
            os.close(self._descriptor)
            self._descriptor = -1
            self._create_segment(max(self._segment_bytes, SEGMENT_HEADER_BYTES + len(frame)))
        self.syncs.begin()
        write_all(self._descriptor, frame, self.offset)
        os.fdatasync(self._descriptor)
        self.syncs.end()
        self.offset += len(frame)
        self.next_index += entries
        if 2 * self.offset > self._segment_bytes:
            self._files.prepare()

    def release(self, through: int) -> None:
        """Remove segments all of whose entries are at or below index ``through``."""
        # No sync is needed: a segment that reappears after a power loss is dropped again.
        for path in self._take_segments_through(through):
            self._files.remove(path)

    def close(self) -> None:
        """Close the files; everything appended is already durable."""
        self._files.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    # Resealing what is there already.

    def begin_segment(self) -> list[Path]:
        """Go on in a new segment; return the others, which no longer change."""
        if self.offset > SEGMENT_HEADER_BYTES:
            # If there is no room for another segment, the log goes on in this one.
            before = self._descriptor
            self._create_segment(self._segment_bytes)
            os.close(before)
        return [segment.path for segment in self._segments[:-1]]

    def resealed(self, path: Path, pause: Callable[[], object] = bool) -> Path | None:
        """Return a copy of a segment that does not change, sealed with the active key.

        None if it is already sealed with it.  For any thread; ``pause`` is called now and then.

        Raises:
            WalCorruptError: The segment is damaged.
            OSError: The segment was removed meanwhile, or the disk does not take the copy.
        """
        return resealed_segment(self._form, path, self._segment_bytes, pause)

    def exchange(self, path: Path, copy: Path) -> None:
        """Replace the segment at ``path`` by ``copy``, if the segment is still needed."""
        if all(segment.path != path for segment in self._segments):
            copy.unlink()
            return
        old = RESERVE.open(path, os.O_RDWR | os.O_CLOEXEC)
        copy.rename(path)
        sync_directory(self.directory)
        free_gently(old)

    def _seal_old_segments(self) -> None:
        """Seal the segments that an older version left unsealed; safe against crashes."""
        for segment in self._segments:
            if segment.version == WAL_VERSION:
                continue
            copy = self.resealed(segment.path)
            assert copy is not None  # The segment was not sealed.
            self.exchange(segment.path, copy)
            segment.version = WAL_VERSION
            self.offset = SEGMENT_HEADER_BYTES
            for _, frame in whole_frames(self._form, segment):
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
            os.pwrite(descriptor, self._form.segment_header(first_index), 0)
            os.fdatasync(descriptor)
            temporary.rename(path)
            sync_directory(self.directory)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self.offset = SEGMENT_HEADER_BYTES
        self._segments.append(Segment(path, first_index))

    def _take_segments_through(self, index: int) -> list[Path]:
        taken = []
        while len(self._segments) > 1 and self._segments[1].first_index <= index + 1:
            taken.append(self._segments.pop(0).path)
        return taken

    def _drop_all_segments(self) -> None:
        # The newest first: what remains after a crash is again a log that ends early.
        while self._segments:
            self._segments.pop().path.unlink()
            sync_directory(self.directory)
