r"""Backups of format 1, which were neither encrypted nor authenticated and are only read.

    kind u8 | body length u32 | CRC-32 of kind, length and body u32 | body

    1 header:   magic "podraft\0" | version u16 | cluster id 16 bytes | revision u64 | time_ms u64
    2 records:  as in format 2
    3 end:      number of records u64 | SHA-256 of all frames before this one

Invariant: nothing is returned unless the whole file is unchanged since it was made; whether
podraft made it cannot be known.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final
from zlib import crc32

from podraft.server.state.datastore import Record
from podraft.server.store.backup.backup_format import (
    FRAME_BYTES_MAX,
    MAGIC,
    Backup,
    BackupError,
    BackupFacts,
    check_order,
    unpacked_records,
    with_groups,
)

_VERSION: Final = 1
_FRAME = Struct("<BII")
_CHECKED = Struct("<BI")
_HEADER = Struct("<8sH16sQQ")
_END = Struct("<Q32s")
_HEADER_KIND, _RECORDS_KIND, _END_KIND = 1, 2, 3


def is_unsealed(file: BinaryIO) -> bool:
    """Return whether ``file`` begins like a backup of format 1, and rewind it."""
    start = file.read(_FRAME.size + len(MAGIC))
    file.seek(0)
    return start[_FRAME.size :] == MAGIC


class UnsealedReader:
    """A reader that checks the file at ``path``, which is open as ``file``."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._digest = hashlib.sha256()
        self._offset = 0

    def read(self) -> Backup:
        """Return all that the file holds.

        Raises:
            BackupError: It is damaged, not whole, or has another version.
        """
        facts = self._facts()
        records: list[Record] = []
        while True:
            before = self._digest.digest()
            kind, body = self._frame()
            if kind != _RECORDS_KIND:
                break
            records += unpacked_records(body, self._damaged)
        if kind != _END_KIND or len(body) != _END.size:
            raise self._damaged("an unknown part")
        count, digest = _END.unpack(body)
        if count != len(records) or digest != before:
            raise self._damaged("the sums at the end do not match")
        if self._file.read(1):
            raise self._damaged("bytes follow the end")
        check_order(facts, records, self._damaged)
        return Backup(facts, with_groups(records))

    def _facts(self) -> BackupFacts:
        kind, body = self._frame()
        if kind != _HEADER_KIND or len(body) != _HEADER.size:
            raise self._damaged("the header is missing")
        _, version, cluster_id, revision, time_ms = _HEADER.unpack(body)
        if version != _VERSION:
            raise BackupError(f"{self._path}: the backup has format {version}, expected {_VERSION}")
        return BackupFacts(cluster_id, revision, time_ms)

    def _frame(self) -> tuple[int, bytes]:
        head = self._file.read(_FRAME.size)
        if len(head) < _FRAME.size:
            raise self._damaged("the file is cut off")
        kind, length, checksum = _FRAME.unpack(head)
        if length > min(FRAME_BYTES_MAX, self._size - self._file.tell()):
            raise self._damaged("the file is cut off, or a length is wrong")
        body = self._file.read(length)
        if crc32(body, crc32(_CHECKED.pack(kind, len(body)))) != checksum:
            raise self._damaged("a checksum does not match")
        self._digest.update(head)
        self._digest.update(body)
        self._offset += len(head) + length
        return kind, body

    def _damaged(self, what: str) -> BackupError:
        return BackupError(f"{self._path}: damaged at byte {self._offset}: {what}")
