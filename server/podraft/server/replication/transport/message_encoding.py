"""Messages between members as bytes.

Owns: the message format (little-endian): a tag, fixed fields, then variable ones: entries are the
records of the log (``records.encode_entry``), each behind its length.

Invariants: ``decode_message(b"".join(Encoder().encode(m))) == m``.  Entries are encoded once,
however many members get them.
"""

from __future__ import annotations

from struct import Struct, error

from podraft.server.raft.entries import Entry, MemberId
from podraft.server.raft.events import Proposal, Refusal
from podraft.server.raft.messages import (
    Append,
    Appended,
    AppendRefused,
    AskRead,
    AskVote,
    CampaignNow,
    CommitNews,
    Declined,
    Forward,
    Heartbeat,
    HeartbeatAnswer,
    InstallSnapshot,
    Message,
    ReadAnswer,
    Vote,
)
from podraft.server.replication.log.records import (
    PROPOSAL_BYTES,
    RecordFormatError,
    decode_base,
    decode_entry,
    encode_base,
    encode_entry,
)

# Every message: its tag, its sender, its receiver.
_HEAD = Struct("<BQQ")
_LENGTH = Struct("<I")

# Messages of numbers and booleans only: tag, type, layout of the fields behind ``to``.
_PLAIN: tuple[tuple[int, type, Struct], ...] = (
    (1, AskVote, Struct("<QQQ??")),
    (2, Vote, Struct("<Q??")),
    (4, Appended, Struct("<QQ")),
    (5, AppendRefused, Struct("<QQQQ")),
    (6, Heartbeat, Struct("<QQQ")),
    (7, HeartbeatAnswer, Struct("<QQ")),
    (9, CampaignNow, Struct("<Q")),
    (14, CommitNews, Struct("<QQQQ")),
)
_PLAIN_BY_TYPE = {kind: (tag, layout, kind.__slots__[2:]) for tag, kind, layout in _PLAIN}  # type: ignore[attr-defined]  # Dataclasses with slots have them.
_PLAIN_BY_TAG = {tag: (kind, layout) for tag, kind, layout in _PLAIN}
_APPEND, _INSTALL, _FORWARD, _DECLINED, _ASK_READ, _READ_ANSWER = 3, 8, 10, 11, 12, 13
_APPEND_FIELDS = Struct("<QQQQI")
_TERM = Struct("<Q")
_INDEX = Struct("<Q")
_REFUSALS = tuple(Refusal)


class MessageFormatError(Exception):
    """Bytes that are not a message."""


class Encoder:
    """An encoder of messages; it keeps the last entries encoded, as they go to several members."""

    def __init__(self) -> None:
        self._first: Entry | None = None
        self._last: Entry | None = None
        self._entries: bytes = b""

    def encode(self, message: Message) -> bytes:
        """Return the bytes of ``message``."""
        plain = _PLAIN_BY_TYPE.get(type(message))
        if plain is not None:
            tag, layout, names = plain
            fields = [getattr(message, name) for name in names]
            return _HEAD.pack(tag, message.sender, message.to) + layout.pack(*fields)
        return self._encode_varied(message)

    def _encode_varied(self, message: Message) -> bytes:
        sender, to = message.sender, message.to
        match message:
            case Append(_, _, term, index, index_term, entries, commit):
                head = _HEAD.pack(_APPEND, sender, to)
                fields = _APPEND_FIELDS.pack(term, index, index_term, commit, len(entries))
                return b"".join((head, fields, self._encode_entries(entries)))
            case InstallSnapshot(_, _, term, mark):
                return _HEAD.pack(_INSTALL, sender, to) + _TERM.pack(term) + encode_base(mark)
            case Forward(_, _, proposals):
                parts = [_HEAD.pack(_FORWARD, sender, to)]
                for proposal in proposals:
                    parts.append(_LENGTH.pack(len(proposal.payload)))
                    parts.append(_id(proposal.id))
                    parts.append(proposal.payload)
                return b"".join(parts)
            case Declined(_, _, ids, reason):
                head = _HEAD.pack(_DECLINED, sender, to) + bytes((_REFUSALS.index(reason),))
            case AskRead(_, _, ids):
                head = _HEAD.pack(_ASK_READ, sender, to)
            case ReadAnswer(_, _, ids, index):
                head = _HEAD.pack(_READ_ANSWER, sender, to) + _INDEX.pack(index)
            case _:
                raise TypeError(f"no message: {message}")
        return head + b"".join([_id(number) for number in ids])

    def _encode_entries(self, entries: tuple[Entry, ...]) -> bytes:
        if not entries:
            return b""
        # The same last entry of a log has the same entries before it.
        if entries[0] is not self._first or entries[-1] is not self._last:
            parts: list[bytes] = []
            for entry in entries:
                record = encode_entry(entry)
                parts.append(_LENGTH.pack(len(record)))
                parts.append(record)
            self._first, self._last = entries[0], entries[-1]
            self._entries = b"".join(parts)
        return self._entries


def decode_message(data: bytes) -> Message:
    """Return the message in ``data``.

    Raises:
        MessageFormatError: ``data`` is not a message.
    """
    try:
        tag, sender, to = _HEAD.unpack_from(data)
        if tag in _PLAIN_BY_TAG:
            kind, layout = _PLAIN_BY_TAG[tag]
            message: Message = kind(sender, to, *layout.unpack(data[_HEAD.size :]))
            return message
        return _decode_varied(tag, sender, to, data)
    except (error, RecordFormatError, IndexError) as problem:
        raise MessageFormatError(f"no message between members: {problem}") from None


def _decode_varied(tag: int, sender: MemberId, to: MemberId, data: bytes) -> Message:
    rest = _HEAD.size
    if tag == _APPEND:
        term, index, index_term, commit, count = _APPEND_FIELDS.unpack_from(data, rest)
        entries = _decode_entries(data, rest + _APPEND_FIELDS.size)
        if len(entries) != count:
            raise MessageFormatError(f"{count} entries announced, {len(entries)} there")
        return Append(sender, to, term, index, index_term, entries, commit)
    if tag == _INSTALL:
        (term,) = _TERM.unpack_from(data, rest)
        return InstallSnapshot(sender, to, term, decode_base(data[rest + _TERM.size :]))
    if tag == _FORWARD:
        return Forward(sender, to, _decode_proposals(data, rest))
    if tag == _DECLINED:
        return Declined(sender, to, _decode_ids(data, rest + 1), _REFUSALS[data[rest]])
    if tag == _ASK_READ:
        return AskRead(sender, to, _decode_ids(data, rest))
    if tag == _READ_ANSWER:
        (index,) = _INDEX.unpack_from(data, rest)
        return ReadAnswer(sender, to, _decode_ids(data, rest + _INDEX.size), index)
    raise MessageFormatError(f"a message of unknown type {tag}")


def _decode_entries(data: bytes, offset: int) -> tuple[Entry, ...]:
    entries = []
    while offset < len(data):
        start = offset + _LENGTH.size
        offset = start + _LENGTH.unpack_from(data, offset)[0]
        if offset > len(data):
            raise MessageFormatError("an entry is cut off")
        entries.append(decode_entry(data[start:offset]))
    return tuple(entries)


def _decode_proposals(data: bytes, offset: int) -> tuple[Proposal, ...]:
    proposals = []
    while offset < len(data):
        (length,) = _LENGTH.unpack_from(data, offset)
        start = offset + _LENGTH.size
        number = int.from_bytes(data[start : start + PROPOSAL_BYTES], "little")
        start += PROPOSAL_BYTES
        offset = start + length
        if offset > len(data):
            raise MessageFormatError("a proposal is cut off")
        proposals.append(Proposal(number, data[start:offset]))
    return tuple(proposals)


def _decode_ids(data: bytes, offset: int) -> tuple[int, ...]:
    rest = data[offset:]
    if len(rest) % PROPOSAL_BYTES:
        raise MessageFormatError("an id is cut off")
    return tuple(
        int.from_bytes(rest[at : at + PROPOSAL_BYTES], "little")
        for at in range(0, len(rest), PROPOSAL_BYTES)
    )


def _id(number: int) -> bytes:
    return number.to_bytes(PROPOSAL_BYTES, "little")
