"""Reading the segments of the write-ahead log, and repairing the last one.

Owns: the distinction between damage and a torn last frame, which was never reported durable; the
copy of a segment that is resealed.

Invariant: a torn last frame is cut off; any other damage is a ``WalCorruptError`` that names file
and offset, never a silent loss.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from podraft.server.store.descriptors import RESERVE
from podraft.server.store.log.frames import (
    FRAME_HEADER_BYTES,
    FRAME_MAGIC_BYTES,
    SEGMENT_HEADER_BYTES,
    WAL_VERSION,
    Frame,
    FrameFormat,
    Segment,
    WalCorruptError,
    frame_length,
)
from podraft.server.store.log.segment_files import allocate

_ZEROS = bytes(1 << 20)
_RESEALED_STEP_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WalEntry:
    """One command at its place in the log."""

    index: int
    term: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """The end of a segment that was read: the next index, and the offset behind the last frame.

    ``size``: the file's size in bytes.  ``torn``: whether something that is no frame follows.
    """

    next_index: int
    offset: int
    size: int
    torn: bool


def open_segment(form: FrameFormat, path: Path) -> Segment:
    """Return the segment at ``path`` as its header describes it.

    Raises:
        WalCorruptError: As in ``FrameFormat.segment``.
    """
    with path.open("rb") as file:
        return form.segment(path, file.read(SEGMENT_HEADER_BYTES))


def read_segment(
    form: FrameFormat, segment: Segment, after: int, *, last: bool
) -> Generator[WalEntry, None, SegmentEnd]:
    """Yield the entries after ``after``; return where the segment ends.

    Earlier frames are checked, but not opened: at a start, they are most of a log.

    Raises:
        WalCorruptError: The segment is damaged before the last frame of the ``last`` segment.
    """
    with segment.path.open("rb") as file, _mapped(file) as data:
        offset = SEGMENT_HEADER_BYTES
        expected = segment.first_index
        while (frame := form.whole_frame(data, offset)) is not None:
            if frame.first_index != expected:
                raise WalCorruptError(
                    segment.path, offset, f"index {frame.first_index}, expected {expected}"
                )
            expected += frame.count
            if expected > after + 1:
                payloads = form.payloads(segment, offset, frame)
                for index, payload in enumerate(payloads, frame.first_index):
                    if index > after:
                        yield WalEntry(index, frame.term, payload)
            offset = frame.end
        torn = not _is_zero(data, offset)
        if torn:
            _check_rest(form, segment.path, data, offset, last=last)
        return SegmentEnd(expected, offset, len(data), torn)


def _check_rest(form: FrameFormat, path: Path, data: mmap.mmap, offset: int, *, last: bool) -> None:
    """Distinguish a torn last frame from damage: nothing whole can follow a torn frame."""
    found = data.find(FRAME_MAGIC_BYTES, offset)
    while found >= 0:
        if form.whole_frame(data, found) is not None:
            raise WalCorruptError(
                path, offset, f"a damaged frame; a whole one follows at offset {found}"
            )
        found = data.find(FRAME_MAGIC_BYTES, found + 1)
    if not last:
        raise WalCorruptError(path, offset, "a damaged frame; a newer segment follows")


def whole_frames(form: FrameFormat, segment: Segment) -> Iterator[tuple[int, Frame]]:
    """Yield the whole frames of a segment, each with its offset."""
    # Not mapped: a segment that is removed meanwhile is truncated bit by bit.
    with segment.path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        offset = SEGMENT_HEADER_BYTES
        while True:
            head = os.pread(file.fileno(), FRAME_HEADER_BYTES, offset)
            if len(head) < FRAME_HEADER_BYTES:
                return
            length = frame_length(head)
            if offset + len(head) + length > size:
                return
            body = os.pread(file.fileno(), length, offset + len(head))
            frame = form.whole_frame(head + body, 0)
            if frame is None:
                return
            yield offset, replace(frame, end=offset + frame.end)
            offset += frame.end


def resealed_segment(
    form: FrameFormat, path: Path, size: int, pause: Callable[[], object]
) -> Path | None:
    """Return a copy, of ``size`` bytes, of a segment that does not change, resealed.

    None if the active key has sealed all of it.  ``pause`` is called now and then.

    Raises:
        WalCorruptError: The segment is damaged.
        OSError: The segment was removed meanwhile, or the disk does not take the copy.
    """
    segment = open_segment(form, path)
    if segment.version == WAL_VERSION and _is_active(form, segment):
        return None
    copy = path.with_suffix(".resealed.tmp")
    # Sealing makes an unsealed frame longer; the rest of the file is zeros.
    descriptor = allocate(copy, size)
    try:
        _copy_frames(form, segment, descriptor, pause)
    except BaseException:
        copy.unlink()
        raise
    finally:
        os.close(descriptor)
    return copy


def _copy_frames(
    form: FrameFormat, segment: Segment, descriptor: int, pause: Callable[[], object]
) -> None:
    os.pwrite(descriptor, form.segment_header(segment.first_index), 0)
    end = synced = SEGMENT_HEADER_BYTES
    for offset, frame in whole_frames(form, segment):
        payloads = form.payloads(segment, offset, frame)
        data = form.frame(payloads, frame.term, frame.first_index)
        write_all(descriptor, data, end)
        end += len(data)
        if end - synced > _RESEALED_STEP_BYTES:
            os.fdatasync(descriptor)
            synced = end
            pause()
    os.fsync(descriptor)


def _is_active(form: FrameFormat, segment: Segment) -> bool:
    active = form.active_key
    return all(frame.key == active for _, frame in whole_frames(form, segment))


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of ``data`` at ``offset``."""
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], offset + written)


def wipe(path: Path, offset: int, size: int) -> None:
    """Cut ``path`` at ``offset`` and fill it with zeros up to ``size``, durably."""
    descriptor = RESERVE.open(path, os.O_RDWR)
    try:
        os.ftruncate(descriptor, offset)
        os.posix_fallocate(descriptor, 0, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mapped(file: BinaryIO) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _is_zero(data: mmap.mmap, offset: int) -> bool:
    while offset < len(data):
        chunk = data[offset : offset + len(_ZEROS)]
        if chunk != _ZEROS[: len(chunk)]:
            return False
        offset += len(chunk)
    return True
