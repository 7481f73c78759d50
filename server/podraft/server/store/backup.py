r"""Backups: the file, how one is made of a running store, and how a store is made of one.

Owns: the file's format, version 1, little-endian; frames one after the other:

    kind u8 | body length u32 | CRC-32 of kind, length and body u32 | body

    1 header:   magic "podraft\0" | version u16 | cluster id 16 bytes | revision u64 | time_ms u64
    2 records:  (key length u16 | value length u32 | created u64 | modified u64 | key | value)*
    3 end:      number of records u64 | SHA-256 of all frames before this one

The header comes first, the end last, nothing follows it; records are in key order.

Invariants: a backup is the state of exactly one revision, because every page of it is read at
that revision.  ``restore`` writes nothing until the whole file has been checked.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final
from zlib import crc32

from podraft.server.state.datastore import Datastore, Event, Record
from podraft.server.state.digests import state_digest
from podraft.server.store.history import History, HistoryBatch
from podraft.server.store.options import StoreOptions, wall_clock_ms

FORMAT_VERSION: Final = 1
# A restored cluster counts on from far above the backup.  The cluster that was backed up went
# on for a while: a client that saw it must not take the restored one's revisions for those.
REVISIONS_SKIPPED: Final = 1_000_000_000

_MAGIC: Final = b"podraft\0"
_FRAME = Struct("<BII")
_CHECKED = Struct("<BI")
_HEADER = Struct("<8sH16sQQ")
_RECORD = Struct("<HIQQ")
_END = Struct("<Q32s")
_HEADER_KIND, _RECORDS_KIND, _END_KIND = 1, 2, 3
# A frame holds at least one record, whose value a transaction bounds to 8 MiB.
_BODY_BYTES_MAX: Final = 64 * 1024 * 1024
_CHUNK_BYTES: Final = 256 * 1024
_PAGE_RECORDS: Final = 1_000
_EVENTS_PER_COMMIT: Final = 5_000


class BackupError(Exception):
    """The file cannot be used, or the directory cannot take it; the message says why."""


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """What a backup says of itself."""

    cluster_id: bytes
    revision: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Backup:
    """A whole backup file, checked."""

    facts: BackupFacts
    records: tuple[Record, ...]


# Making one.


class BackupEncoder:
    """Encodes one backup; its chunks in order are the file."""

    def __init__(self, facts: BackupFacts) -> None:
        self._facts = facts
        self._digest = hashlib.sha256()
        self.records = 0
        self.bytes = 0

    def header(self) -> bytes:
        """Return the first chunk."""
        facts = self._facts
        body = _HEADER.pack(_MAGIC, FORMAT_VERSION, facts.cluster_id, facts.revision, facts.time_ms)
        return self._frame(_HEADER_KIND, body)

    def page(self, records: Iterable[Record]) -> Iterator[bytes]:
        """Yield chunks of about 256 KiB."""
        parts: list[bytes] = []
        size = 0
        for record in records:
            key, value = record.key, record.value
            parts += (
                _RECORD.pack(len(key), len(value), record.create_revision, record.mod_revision),
                key,
                value,
            )
            size += _RECORD.size + len(key) + len(value)
            self.records += 1
            if size >= _CHUNK_BYTES:
                yield self._frame(_RECORDS_KIND, b"".join(parts))
                parts, size = [], 0
        if parts:
            yield self._frame(_RECORDS_KIND, b"".join(parts))

    def end(self) -> bytes:
        """Return the last chunk."""
        return self._frame(_END_KIND, _END.pack(self.records, self._digest.digest()))

    @property
    def sha256(self) -> bytes:
        """The digest of everything that was returned."""
        return self._digest.digest()

    def _frame(self, kind: int, body: bytes) -> bytes:
        frame = _FRAME.pack(kind, len(body), _checksum(kind, body)) + body
        self._digest.update(frame)
        self.bytes += len(frame)
        return frame


async def chunks(
    datastore: Datastore, encoder: BackupEncoder, revision: int
) -> AsyncGenerator[bytes, None]:
    """Yield the file of the state at ``revision``, page by page.

    Raises:
        RevisionCompactedError: It took longer than history is kept.
    """
    yield encoder.header()
    last = b""
    more = True
    while more:
        page = await datastore.range(b"", start_after=last, limit=_PAGE_RECORDS, revision=revision)
        for chunk in encoder.page(page.records):
            yield chunk
        more = page.more
        if page.records:
            last = page.records[-1].key
    yield encoder.end()


# Reading one.


def read(path: Path) -> Backup:
    """Return what the file holds, after all of it has been checked.

    Raises:
        BackupError: It is no backup, of another version, damaged or not whole.
    """
    try:
        with path.open("rb") as file:
            return _Reader(path, file).read()
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}") from None


class _Reader:
    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._digest = hashlib.sha256()
        self._offset = 0

    def read(self) -> Backup:
        facts = self._facts()
        records: list[Record] = []
        while True:
            before = self._digest.digest()
            kind, body = self._frame()
            if kind != _RECORDS_KIND:
                break
            records += self._records(body)
        if kind != _END_KIND or len(body) != _END.size:
            raise self._damaged("an unknown part")
        count, digest = _END.unpack(body)
        if count != len(records) or digest != before:
            raise self._damaged("the sums at the end do not match")
        if self._file.read(1):
            raise self._damaged("bytes follow the end")
        self._check_order(facts, records)
        return Backup(facts, tuple(records))

    def _facts(self) -> BackupFacts:
        start = self._file.read(_FRAME.size + len(_MAGIC))
        if start[_FRAME.size :] != _MAGIC:
            raise BackupError(f"{self._path} is no backup of podraft")
        self._file.seek(0)
        kind, body = self._frame()
        if kind != _HEADER_KIND or len(body) < _HEADER.size:
            raise self._damaged("the header is missing")
        _, version, cluster_id, revision, time_ms = _HEADER.unpack(body[: _HEADER.size])
        if version != FORMAT_VERSION or len(body) != _HEADER.size:
            raise BackupError(
                f"{self._path}: the backup has format {version}, this podraft reads "
                f"{FORMAT_VERSION}: use the podraft-server that is as new as the one that made it"
            )
        return BackupFacts(cluster_id, revision, time_ms)

    def _frame(self) -> tuple[int, bytes]:
        head = self._file.read(_FRAME.size)
        if len(head) < _FRAME.size:
            raise self._damaged("the file is cut off")
        kind, length, checksum = _FRAME.unpack(head)
        if length > _BODY_BYTES_MAX:
            raise self._damaged("an impossible length")
        body = self._file.read(length)
        if len(body) < length:
            raise self._damaged("the file is cut off")
        if _checksum(kind, body) != checksum:
            raise self._damaged("a checksum does not match")
        self._digest.update(head)
        self._digest.update(body)
        self._offset += len(head) + length
        return kind, body

    def _records(self, body: bytes) -> Iterator[Record]:
        offset = 0
        while offset < len(body):
            try:
                lengths = _RECORD.unpack_from(body, offset)
            except struct.error:
                raise self._damaged("a record is cut off") from None
            key_length, value_length, created, modified = lengths
            start = offset + _RECORD.size
            offset = start + key_length + value_length
            if offset > len(body):
                raise self._damaged("a record is cut off")
            key = body[start : start + key_length]
            yield Record(key, body[start + key_length : offset], created, modified)

    def _check_order(self, facts: BackupFacts, records: list[Record]) -> None:
        last = b""
        for record in records:
            if not last < record.key or b"\0" in record.key:
                raise self._damaged("keys are out of order")
            if not 0 < record.create_revision <= record.mod_revision <= facts.revision:
                raise self._damaged("a record is newer than the backup")
            last = record.key

    def _damaged(self, what: str) -> BackupError:
        return BackupError(f"{self._path}: damaged at byte {self._offset}: {what}")


def _checksum(kind: int, body: bytes) -> int:
    return crc32(body, crc32(_CHECKED.pack(kind, len(body))))


# Restoring one.


def restore(path: Path, directory: Path) -> tuple[BackupFacts, int]:
    """Make ``directory``, which must be absent or empty, the store of a new cluster.

    Returns what the backup says of itself, and the revision at which the new cluster begins.
    Clients that knew the old cluster are told that their revisions are no longer kept.

    Raises:
        BackupError: The file or the directory cannot be used; nothing was written.
        OSError: The disk failed; the directory is as it was.
    """
    backup = read(path)
    if directory.exists() and any(directory.iterdir()):
        raise BackupError(f"{directory} is not empty; a backup is restored into a new directory")
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Under another name until it is whole: no server can start on half of it.
    unfinished = directory.with_name(f".{directory.name}.restoring")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    try:
        revision = _write_history(backup, unfinished / "history.lmdb")
        unfinished.rename(directory)
        _sync_directory(directory.parent)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return backup.facts, revision


def _write_history(backup: Backup, path: Path) -> int:
    """Write the records, and that everything before them is compacted; return the revision.

    The new file gets no cluster id: the server that opens it first makes one.
    """
    revision = backup.facts.revision + REVISIONS_SKIPPED
    history = History(path, StoreOptions().history_map_bytes)
    try:
        pending: list[HistoryBatch] = []
        events = 0
        by_revision = sorted(backup.records, key=lambda record: record.mod_revision)
        for modified, records in groupby(by_revision, key=lambda record: record.mod_revision):
            made = tuple(_event(record) for record in records)
            pending.append(HistoryBatch(0, modified, backup.facts.time_ms, made))
            events += len(made)
            if events >= _EVENTS_PER_COMMIT:
                history.append(pending)
                pending, events = [], 0
        digest = state_digest(backup.records)
        pending.append(HistoryBatch(0, revision, wall_clock_ms(), (), digest=digest))
        history.append(pending)
        history.compact(revision, revision)
    finally:
        history.close()
    return revision


def _event(record: Record) -> Event:
    return Event(record.mod_revision, record.key, record.value, record.create_revision, None)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
