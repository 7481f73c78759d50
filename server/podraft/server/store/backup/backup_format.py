r"""The backup file: its format, version 3, little-endian; version 2 is read, too.

    header   magic "podraft\0" | version u16 | cluster id 16 bytes | revision u64 | time_ms u64
             | data key's id 8 bytes | length u8, name of what wrapped it | length u16, data key
    frames   (length u32 | AES-256-GCM of: kind u8 | body)*

    1 records:  (key length u16 | value length u32 | created u64 | modified u64 | key | value)*
    2 end:      number of records u64

The end frame comes last; records are in key order.  Version 2 has keys in their
written form (see ``state/key_forms``), version 3 in their grouped form.

Invariants: each backup has a data key of its own, wrapped by the server's key-encryption key.  A
frame's nonce is its number, its context all of the header: so a frame opens only in its place in
its file, and only a holder of the key-encryption key can have made it.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from podraft.server.encryption.key_encryption import EncryptionError, KeyEncryption, WrappedKey
from podraft.server.encryption.sealing import DataKey, new_data_key
from podraft.server.state.datastore import Record
from podraft.server.state.key_forms import grouped

FORMAT_VERSION: Final = 3
MAGIC: Final = b"podraft\0"

_UNGROUPED_VERSION: Final = 2

_HEADER = Struct("<8sH16sQQ8s")
_NAME_LENGTH = Struct("<B")
_KEY_LENGTH = Struct("<H")
_FRAME_LENGTH = Struct("<I")
_RECORD = Struct("<HIQQ")
_END = Struct("<Q")
_RECORDS_KIND, _END_KIND = 1, 2
# A frame holds at least one record, whose value a transaction bounds to 8 MiB.
FRAME_BYTES_MAX: Final = 64 * 1024 * 1024
_CHUNK_BYTES: Final = 256 * 1024


class BackupError(Exception):
    """The file cannot be used, or not be restored into the directory; the message says why."""


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """The facts that a backup states about itself."""

    cluster_id: bytes
    revision: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Backup:
    """A whole backup file, checked."""

    facts: BackupFacts
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class BackupKey:
    """The data key of one backup, both in the clear and wrapped."""

    key: DataKey
    wrapped: WrappedKey


def new_backup_key(keys: KeyEncryption) -> BackupKey:
    """Return a key for one backup; blocks.

    Raises:
        EncryptionError: There is no key-encryption key.
    """
    made = new_data_key()
    return BackupKey(made, keys.wrap(made.id, made.secret))


class BackupEncoder:
    """An encoder of one backup; its chunks in order are the file."""

    def __init__(self, facts: BackupFacts, key: BackupKey) -> None:
        name = key.wrapped.wrapped_by.encode()
        wrapped = key.wrapped.wrapped
        self._header = b"".join(
            (
                _HEADER.pack(
                    MAGIC,
                    FORMAT_VERSION,
                    facts.cluster_id,
                    facts.revision,
                    facts.time_ms,
                    key.key.id,
                ),
                _NAME_LENGTH.pack(len(name)) + name,
                _KEY_LENGTH.pack(len(wrapped)) + wrapped,
            )
        )
        self._cipher = AESGCM(key.key.secret)
        self._digest = hashlib.sha256()
        self._frames = 0
        self.records = 0
        self.bytes = 0

    def header(self) -> bytes:
        """Return the first chunk."""
        return self._counted(self._header)

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
        return self._frame(_END_KIND, _END.pack(self.records))

    @property
    def sha256(self) -> bytes:
        """The SHA-256 digest of all chunks returned so far."""
        return self._digest.digest()

    def _frame(self, kind: int, body: bytes) -> bytes:
        plain = bytes((kind,)) + body
        sealed = self._cipher.encrypt(_nonce(self._frames), plain, self._header)
        self._frames += 1
        return self._counted(_FRAME_LENGTH.pack(len(sealed)) + sealed)

    def _counted(self, chunk: bytes) -> bytes:
        self._digest.update(chunk)
        self.bytes += len(chunk)
        return chunk


class BackupReader:
    """A reader that checks the file at ``path``, which is open as ``file``."""

    def __init__(self, path: Path, file: BinaryIO, keys: KeyEncryption) -> None:
        self._path = path
        self._file = file
        self._keys = keys
        self._size = os.fstat(file.fileno()).st_size
        self._header = b""
        self._frames = 0

    def read(self) -> Backup:
        """Return all that the file holds.

        Raises:
            BackupError: It is damaged, forged, not whole, or its key is missing.
        """
        facts, wrapped = self._facts()
        try:
            self._cipher = AESGCM(self._keys.unwrap(wrapped))
        except EncryptionError as error:
            raise BackupError(f"{self._path}: {error}") from None
        records: list[Record] = []
        while True:
            kind, body = self._frame()
            if kind != _RECORDS_KIND:
                break
            records += unpacked_records(body, self._damaged)
        if kind != _END_KIND or len(body) != _END.size or _END.unpack(body)[0] != len(records):
            raise self._damaged("the end does not fit what came before it")
        if self._file.read(1):
            raise self._damaged("bytes follow the end")
        check_order(facts, records, self._damaged)
        return Backup(facts, with_groups(records))

    def _facts(self) -> tuple[BackupFacts, WrappedKey]:
        if self._file.read(len(MAGIC)) != MAGIC:
            raise BackupError(f"{self._path} is no backup of podraft")
        self._file.seek(0)
        fields = _HEADER.unpack(self._header_part(_HEADER.size))
        _, version, cluster_id, revision, time_ms, identity = fields
        if version not in (_UNGROUPED_VERSION, FORMAT_VERSION):
            raise BackupError(
                f"{self._path}: the backup has format {version}, this podraft reads "
                f"{_UNGROUPED_VERSION} and {FORMAT_VERSION}: use the podraft-server that is as new "
                "as the one that made it"
            )
        (length,) = _NAME_LENGTH.unpack(self._header_part(_NAME_LENGTH.size))
        name = self._header_part(length)
        (length,) = _KEY_LENGTH.unpack(self._header_part(_KEY_LENGTH.size))
        wrapped = self._header_part(length)
        try:
            key = WrappedKey(identity, name.decode(), wrapped)
        except UnicodeDecodeError:
            raise self._damaged("the header") from None
        return BackupFacts(cluster_id, revision, time_ms), key

    def _header_part(self, length: int) -> bytes:
        part = self._file.read(length)
        if len(part) < length:
            raise self._damaged("the header is cut off")
        self._header += part
        return part

    def _frame(self) -> tuple[int, bytes]:
        head = self._file.read(_FRAME_LENGTH.size)
        if len(head) < _FRAME_LENGTH.size:
            raise self._damaged("the file is cut off")
        (length,) = _FRAME_LENGTH.unpack(head)
        # Nothing is verified yet, so no memory is allocated for what the file only claims.
        if length > min(FRAME_BYTES_MAX, self._size - self._file.tell()):
            raise self._damaged("the file is cut off, or a length is wrong")
        try:
            plain = self._cipher.decrypt(
                _nonce(self._frames), self._file.read(length), self._header
            )
        except (InvalidTag, ValueError):
            raise self._damaged("the bytes were altered, or are of another backup") from None
        self._frames += 1
        if not plain:
            raise self._damaged("an empty part")
        return plain[0], plain[1:]

    def _damaged(self, what: str) -> BackupError:
        return BackupError(f"{self._path}: damaged before byte {self._file.tell()}: {what}")


def unpacked_records(body: bytes, damaged: Callable[[str], BackupError]) -> Iterator[Record]:
    """Yield the records of one frame.

    Raises:
        BackupError: They are malformed; ``damaged`` makes the error of a description.
    """
    offset = 0
    while offset < len(body):
        try:
            key_length, value_length, created, modified = _RECORD.unpack_from(body, offset)
        except struct.error:
            raise damaged("a record is cut off") from None
        start = offset + _RECORD.size
        offset = start + key_length + value_length
        if offset > len(body):
            raise damaged("a record is cut off")
        key = body[start : start + key_length]
        yield Record(key, body[start + key_length : offset], created, modified)


def check_order(
    facts: BackupFacts, records: Iterable[Record], damaged: Callable[[str], BackupError]
) -> None:
    """Refuse records that no state of the backup's revision can have.

    Raises:
        BackupError: There are such records; ``damaged`` makes the error of a description.
    """
    last = b""
    for record in records:
        if not last < record.key or b"\0" in record.key:
            raise damaged("keys are out of order")
        if not 0 < record.create_revision <= record.mod_revision <= facts.revision:
            raise damaged("a record is newer than the backup")
        last = record.key


def with_groups(records: Iterable[Record]) -> tuple[Record, ...]:
    """Return ``records``, whose keys may be in either form, with grouped keys and in key order."""
    known = (record._replace(key=grouped(record.key)) for record in records)
    return tuple(sorted(known, key=lambda record: record.key))


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "little")
