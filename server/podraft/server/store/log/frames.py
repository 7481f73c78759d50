"""The format of the write-ahead log: segment headers and frames.

Owns: the format (version 3, little-endian, every crc is a CRC-32C):

    segment header: magic 8 | version u32 | crc u32 | cluster id 16 | first index u64
    frame header:   magic u32 | crc u32 | body length u32 | entries u32 | first index u64 | term u64
    frame body:     entries x (length u32 | payload), sealed for the frame's place

Version 2 is the same without the seal; it is read only where sealing has just begun, and rewritten.

Invariants: no I/O here.  A frame's CRC (seeded with the cluster id) covers the batch as a whole.
The seal tells damage from a forgery; the CRC tells a torn frame from both, even without the keys.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Final

from google_crc32c import extend as extend_crc32c
from google_crc32c import value as crc32c

from podraft.server.encryption.sealing import OVERHEAD_BYTES, Sealer, SealError, key_of
from podraft.server.store.directory import StoreOpenError

WAL_VERSION: Final = 3
UNSEALED_VERSION: Final = 2
_CONTEXT = b"wal\0"
_SEGMENT_MAGIC = b"PODRAFTW"
_FRAME_MAGIC = 0x4D415246  # "FRAM" in the file
FRAME_MAGIC_BYTES: Final = _FRAME_MAGIC.to_bytes(4, "little")
_SEGMENT_HEADER = Struct("<8sII16sQ")
_FRAME_HEADER = Struct("<IIIIQQ")
_FRAME_CHECKED = Struct("<IIQQ")  # The frame header's part that the CRC covers.
SEGMENT_HEADER_BYTES: Final = _SEGMENT_HEADER.size
FRAME_HEADER_BYTES: Final = _FRAME_HEADER.size
_LENGTH = Struct("<I")


class WalCorruptError(StoreOpenError):
    """The log is damaged where it was already durable, or is not a log of this cluster."""

    def __init__(self, path: Path, offset: int, problem: str) -> None:
        super().__init__(f"{path}: offset {offset}: {problem}")
        self.path = path
        self.offset = offset


@dataclass(slots=True)
class Segment:
    """One file of the log."""

    path: Path
    first_index: int
    version: int = WAL_VERSION


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame: its end and its content."""

    end: int
    first_index: int
    term: int
    count: int
    checked: bytes
    body: bytes

    @property
    def key(self) -> bytes:
        """The id of the data key that opens it, if it is sealed."""
        return key_of(self.body)


class FrameFormat:
    """The format of one cluster's log, sealed by ``sealer``."""

    def __init__(self, cluster_id: bytes, sealer: Sealer) -> None:
        if len(cluster_id) != 16:
            raise ValueError("a cluster id has 16 bytes")
        self._cluster_id = cluster_id
        self._seed = crc32c(cluster_id)
        self._sealer = sealer
        self._context = _CONTEXT + cluster_id

    @property
    def active_key(self) -> bytes:
        """The id of the data key that seals now."""
        return self._sealer.active_id

    def frame(self, payloads: Sequence[bytes], term: int, first_index: int) -> bytes:
        """Return the bytes of one batch."""
        parts: list[bytes] = []
        for payload in payloads:
            parts.append(_LENGTH.pack(len(payload)))
            parts.append(payload)
        plain = b"".join(parts)
        length = len(plain) + OVERHEAD_BYTES
        checked = _FRAME_CHECKED.pack(length, len(payloads), first_index, term)
        body = self._sealer.seal(plain, self._context + checked)
        crc = extend_crc32c(extend_crc32c(self._seed, checked), body)
        return b"".join((FRAME_MAGIC_BYTES, _LENGTH.pack(crc), checked, body))

    def whole_frame(self, data: mmap.mmap | bytes, offset: int) -> Frame | None:
        """Return the frame at ``offset``; None if there is none, or it is torn or damaged."""
        body_start = offset + FRAME_HEADER_BYTES
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
        return Frame(end, first_index, term, count, checked, body)

    def payloads(self, segment: Segment, offset: int, frame: Frame) -> tuple[bytes, ...]:
        """Return the payloads in the frame at ``offset`` of ``segment``.

        Raises:
            WalCorruptError: The frame was forged, or its key is not known here.
        """
        body = frame.body
        if segment.version == WAL_VERSION:
            try:
                body = self._sealer.open(body, self._context + frame.checked)
            except SealError as error:
                raise WalCorruptError(segment.path, offset, f"a frame: {error}") from None
        return _split_payloads(body, frame.count)

    def segment_header(self, first_index: int, version: int = WAL_VERSION) -> bytes:
        """Return the header of a segment."""
        fields = (_SEGMENT_MAGIC, version, 0, self._cluster_id, first_index)
        crc = crc32c(_SEGMENT_HEADER.pack(*fields))
        return _SEGMENT_HEADER.pack(*fields[:2], crc, *fields[3:])

    def segment(self, path: Path, header: bytes) -> Segment:
        """Return the segment at ``path`` that ``header`` describes.

        Raises:
            WalCorruptError: The header is damaged, of another format or of another cluster.
        """
        if len(header) < SEGMENT_HEADER_BYTES:
            raise WalCorruptError(path, len(header), "the segment's header is cut off")
        magic, version, _, cluster_id, first_index = _SEGMENT_HEADER.unpack(header)
        if magic != _SEGMENT_MAGIC:
            raise WalCorruptError(path, 0, "this is no podraft log")
        if version not in (WAL_VERSION, UNSEALED_VERSION):
            raise WalCorruptError(
                path, 8, f"log format {version} is not known here, only {WAL_VERSION}"
            )
        if cluster_id != self._cluster_id:
            raise WalCorruptError(path, 16, "the log belongs to another cluster")
        if (
            header != self.segment_header(first_index, version)
            or path.stem != f"{first_index:016x}"
        ):
            raise WalCorruptError(path, 12, "the segment's header is damaged")
        return Segment(path, int(first_index), version)


def frame_length(header: bytes) -> int:
    """Return the length, in bytes, of the body of the frame that begins with ``header``."""
    return int(_FRAME_HEADER.unpack(header)[2])


def _split_payloads(body: bytes, count: int) -> tuple[bytes, ...]:
    payloads = []
    offset = 0
    for _ in range(count):
        start = offset + _LENGTH.size
        offset = start + _LENGTH.unpack_from(body, offset)[0]
        payloads.append(body[start:offset])
    return tuple(payloads)
