"""The binary form of a transaction, as the log keeps it and members exchange it.

Owns: the command format, little-endian, version 4 if it has a request with a digest, else 3 if
it has a request, else 2 if it has an author, else 1:

    version u8 | time_ms u64 | guards u32 | writes u32
    version 3 and 4:  request, 16 bytes
    version 4:  digest, 16 bytes
    version 2 to 4:  author length u8 | author
    guard:  mod_revision u64 | key length u16 | key
    write:  operation u8 | key length u16 | value length u32 | key | value
    all keys in the written form (see ``key_forms``)

``time_ms`` is when the proposer accepted the transaction.  It is part of the command, so that
members agree on it and a replay does not change it.

Invariant: ``decode_command(encode_command(t, time)) == Command(t, time)``; anything that
``encode_command`` cannot have written is refused with a ``CommandFormatError``.
"""

from __future__ import annotations

from struct import Struct

from podraft.server.state.datastore import Delete, Guard, Put, Transaction
from podraft.server.state.key_forms import grouped, written
from podraft.server.state.requests import DIGEST_BYTES, REQUEST_BYTES
from podraft.server.values import value

COMMAND_VERSION = 1
AUTHORED_COMMAND_VERSION = 2
REQUESTED_COMMAND_VERSION = 3
DIGESTED_COMMAND_VERSION = 4
# LMDB keys hold at most 511 bytes; history appends a separator and a revision.
KEY_BYTES_MAX = 480
AUTHOR_BYTES_MAX = 255

_HEADER = Struct("<BQII")
_AUTHOR = Struct("<B")
_GUARD = Struct("<QH")
_WRITE = Struct("<BHI")
_PUT_STAMPED, _PUT_RAW, _DELETE = 1, 2, 3


class CommandFormatError(Exception):
    """Bytes that are not a command of a known version."""


@value
class Command:
    """A transaction and the time at which it was proposed."""

    transaction: Transaction
    time_ms: int


def check_transaction(transaction: Transaction) -> None:
    """Refuse a transaction that the format or the store cannot hold.

    Raises:
        ValueError: A key is empty, too long, holds a NUL byte, lacks its group, or is written
            twice; the author's name is too long; the request's id or digest is not 16 bytes
            long, or there is a digest without a request.
    """
    if transaction.request and len(transaction.request) != REQUEST_BYTES:
        raise ValueError(f"the id of a request has {REQUEST_BYTES} bytes")
    if transaction.digest and not (transaction.request and len(transaction.digest) == DIGEST_BYTES):
        raise ValueError(f"the digest of a request has {DIGEST_BYTES} bytes")
    if len(transaction.author) > AUTHOR_BYTES_MAX:
        raise ValueError(f"the author's name has more than {AUTHOR_BYTES_MAX} bytes")
    writes = transaction.writes
    for item in (*transaction.guards, *writes):
        key = item.key
        if not 0 < len(key) <= KEY_BYTES_MAX or b"\0" in key:
            raise ValueError(
                f"key {key[:80]!r} is invalid: expected 1 to {KEY_BYTES_MAX} bytes without NUL"
            )
        if (meant := grouped(key)) is not key:
            raise ValueError(f"key {key[:80]!r} lacks its group: expected {meant[:80]!r}")
    if len(writes) > 1 and len({write.key for write in writes}) != len(writes):
        raise ValueError("a transaction may write a key only once")


def encode_command(transaction: Transaction, time_ms: int) -> bytes:
    """Return the bytes of ``transaction``, which ``check_transaction`` has passed."""
    guards, writes, author = transaction.guards, transaction.writes, transaction.author
    if transaction.request:
        version = DIGESTED_COMMAND_VERSION if transaction.digest else REQUESTED_COMMAND_VERSION
        parts = [
            _HEADER.pack(version, time_ms, len(guards), len(writes)),
            transaction.request,
            transaction.digest,
            _AUTHOR.pack(len(author)),
            author,
        ]
    elif author:
        header = _HEADER.pack(AUTHORED_COMMAND_VERSION, time_ms, len(guards), len(writes))
        parts = [header, _AUTHOR.pack(len(author)), author]
    else:
        parts = [_HEADER.pack(COMMAND_VERSION, time_ms, len(guards), len(writes))]
    for guard in guards:
        key = written(guard.key)
        parts.append(_GUARD.pack(guard.mod_revision, len(key)))
        parts.append(key)
    for write in writes:
        key = written(write.key)
        if isinstance(write, Put):
            value = write.value
            operation = _PUT_STAMPED if write.stamped else _PUT_RAW
            parts.append(_WRITE.pack(operation, len(key), len(value)))
            parts.append(key)
            parts.append(value)
        else:
            parts.append(_WRITE.pack(_DELETE, len(key), 0))
            parts.append(key)
    return b"".join(parts)


def decode_command(data: bytes) -> Command:
    """Return the command that ``encode_command`` wrote.

    Raises:
        CommandFormatError: ``data`` is not exactly one command of a known version.
    """
    reader = _Reader(data)
    version, time_ms, guard_count, write_count = reader.unpack(_HEADER)
    if not COMMAND_VERSION <= version <= DIGESTED_COMMAND_VERSION:
        raise CommandFormatError(
            f"command version {version} is unknown, "
            f"expected {COMMAND_VERSION} to {DIGESTED_COMMAND_VERSION}"
        )
    request = digest = author = b""
    if version >= REQUESTED_COMMAND_VERSION:
        request = reader.take(REQUEST_BYTES)
    if version == DIGESTED_COMMAND_VERSION:
        digest = reader.take(DIGEST_BYTES)
    if version != COMMAND_VERSION:
        author = reader.take(reader.unpack(_AUTHOR)[0])
        if version == AUTHORED_COMMAND_VERSION and not author:
            raise CommandFormatError("the author of a command of version 2 is empty")
    guards = []
    for _ in range(guard_count):
        mod_revision, key_length = reader.unpack(_GUARD)
        guards.append(Guard(grouped(reader.take(key_length)), mod_revision))
    writes = tuple(_decode_write(reader) for _ in range(write_count))
    reader.finish()
    transaction = Transaction(tuple(guards), writes, author, request, digest)
    try:
        check_transaction(transaction)
    except ValueError as error:
        raise CommandFormatError(str(error)) from error
    return Command(transaction, time_ms)


def _decode_write(reader: _Reader) -> Put | Delete:
    start = reader.offset
    operation, key_length, value_length = reader.unpack(_WRITE)
    key = grouped(reader.take(key_length))
    if operation == _DELETE and not value_length:
        return Delete(key)
    if operation in (_PUT_STAMPED, _PUT_RAW):
        return Put(key, reader.take(value_length), operation == _PUT_STAMPED)
    raise CommandFormatError(f"write at byte {start}: unknown operation {operation}")


class _Reader:
    """A reader that takes fields off the front of ``data``; running short is an error."""

    __slots__ = ("_data", "offset")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.offset = 0

    def unpack(self, layout: Struct) -> tuple[int, ...]:
        return layout.unpack(self.take(layout.size))

    def take(self, length: int) -> bytes:
        end = self.offset + length
        if end > len(self._data):
            raise CommandFormatError(
                f"cut off: byte {self.offset} of {len(self._data)} begins a field of {length}"
            )
        taken = self._data[self.offset : end]
        self.offset = end
        return taken

    def finish(self) -> None:
        if self.offset != len(self._data):
            raise CommandFormatError(f"{len(self._data) - self.offset} bytes follow the command")
