"""The netlink socket that commits nf_tables' transactions and reads the tables back.

Invariants: a batch takes effect as a whole or not at all; the kernel answers it before
``sendto`` returns, so that a commit never waits; answers are told apart by sequence numbers that
are never reused.

A `Connection` belongs to one thread and to the network namespace that it was opened in.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import struct
import sys
from collections.abc import Iterator
from types import TracebackType

from podraft.agent.network.core.errors import KernelError
from podraft.agent.network.core.nft import batch as changes
from podraft.agent.network.core.nft import wire
from podraft.agent.network.core.nft.batch import Batch, Change
from podraft.agent.network.core.nft.sets import Key, MapSpec, Value

# Linux's numbers, which Python's socket module lacks.
_SO_RCVTIMEO = 20
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_EXT_ACK_MESSAGE = 1
_ERROR_IS_CAPPED = 0x100

_RECEIVE_BUFFER = 4 << 20
_RECEIVE_MAX = 1 << 18
_SEND_SLACK = 1 << 16
_TIMEOUT = struct.pack("@ll", 30, 0)


class NftError(KernelError):
    """The kernel refused a transaction, which changed nothing.

    ``index`` is the place of the refused change in the batch (-1: the batch as a whole).
    """

    def __init__(self, what: str, index: int, number: int, detail: str) -> None:
        name = errno.errorcode.get(number, str(number))
        reason = f"{name} ({os.strerror(number)})" + (f": {detail}" if detail else "")
        super().__init__(what, number, reason)
        self.index = index


class Connection:
    """An open nf_tables socket."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, wire.NETLINK_NETFILTER)
        try:
            self._socket.bind((0, 0))
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
            # Errors need not repeat a message of 60 KiB, and may carry more than a number.
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
            # Not Python's own timeout: with it, MSG_DONTWAIT would wait as well.
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVTIMEO, _TIMEOUT)
        except OSError:
            self._socket.close()
            raise
        self._sequence = itertools.count(1)
        self._send_buffer = 0

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; tables remain."""
        self._socket.close()

    def commit(self, batch: Batch) -> None:
        """Make all changes of a batch, or none of them.

        Raises:
            NftError: The kernel refused one of them.
        """
        if not batch.changes:
            return
        begin = next(self._sequence)
        marker = wire.FAMILY_HEADER.pack(0, 0, wire.SUBSYSTEM_NFTABLES)
        parts = [wire.message(wire.BATCH_BEGIN, wire.REQUEST, begin, marker)]
        last = len(batch.changes) - 1
        for index, change in enumerate(batch.changes):
            acknowledge = wire.ACKNOWLEDGE if index == last else 0
            parts.append(self._message(change, wire.REQUEST | change.flags | acknowledge))
        end = next(self._sequence)
        parts.append(wire.message(wire.BATCH_END, wire.REQUEST, end, marker))
        self._discard_answers()
        self._send(b"".join(parts))
        self._check_commit(batch, begin)

    def generation(self) -> int:
        """Return the number that grows with every committed transaction, ours or another's."""
        body = wire.FAMILY_HEADER.pack(0, 0, 0)
        for answer in self._request(changes.GET_GENERATION, 0, body):
            return wire.parse_number(dict(wire.attributes(answer))[1])
        raise KernelError("cannot read the ruleset's generation", errno.EPROTO, "no answer")

    def has_table(self, table: str) -> bool:
        """Return whether a table exists."""
        body = wire.FAMILY_HEADER.pack(changes.FAMILY_IPV4, 0, 0) + wire.text(1, table)
        try:
            return any(True for _ in self._request(changes.GET_TABLE, 0, body))
        except NftError as error:
            if error.errno == errno.ENOENT:
                return False
            raise

    def rule_count(self, table: str) -> int:
        """Return the number of rules in a table."""
        body = wire.FAMILY_HEADER.pack(changes.FAMILY_IPV4, 0, 0) + wire.text(1, table)
        return sum(1 for _ in self._request(changes.GET_RULE, wire.DUMP, body))

    def elements(self, table: str, spec: MapSpec) -> dict[Key, Value]:
        """Return the elements of a set or map.

        Raises:
            NftError: The set or map does not exist (ENOENT).
        """
        body = (
            wire.FAMILY_HEADER.pack(changes.FAMILY_IPV4, 0, 0)
            + wire.text(1, table)
            + wire.text(2, spec.name)
        )
        found: dict[Key, Value] = {}
        for answer in self._request(changes.GET_ELEMENTS, wire.DUMP, body):
            for kind, payload in wire.attributes(answer):
                if kind == 3:
                    found.update(spec.parse_element(e) for _, e in wire.attributes(payload))
        return found

    def _message(self, change: Change, flags: int) -> bytes:
        kind = wire.SUBSYSTEM_NFTABLES << 8 | change.kind
        return wire.message(kind, flags, next(self._sequence), change.body)

    def _send(self, data: bytes) -> None:
        if len(data) + _SEND_SLACK > self._send_buffer:
            # A batch is one datagram; the kernel takes it only if it fits into the buffer.
            self._send_buffer = len(data) + _SEND_SLACK
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, self._send_buffer)
        try:
            self._socket.sendto(data, (0, 0))
        except OSError as error:
            raise NftError("cannot send a transaction", -1, error.errno or 0, "") from None

    def _check_commit(self, batch: Batch, begin: int) -> None:
        acknowledged = False
        for number, sequence, detail in self._answers():
            index = sequence - begin - 1
            if number:
                inside = 0 <= index < len(batch.changes)
                what = batch.changes[index].description if inside else "transaction"
                place = f"change {index + 1} of {len(batch.changes)}, " if inside else ""
                raise NftError(
                    f"{place}{what} in table {batch.table} was refused",
                    index if inside else -1,
                    number,
                    detail,
                )
            acknowledged = acknowledged or index == len(batch.changes) - 1
        if not acknowledged:
            raise NftError("the kernel did not answer a transaction", -1, errno.EPROTO, "")

    def _answers(self) -> Iterator[tuple[int, int, str]]:
        """Yield the error number, sequence number and text of the answers that have arrived."""
        while True:
            try:
                data = self._socket.recv(_RECEIVE_MAX, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:  # There were so many answers that some were lost.
                what = "the answers to a transaction were lost"
                raise NftError(what, -1, error.errno or 0, "") from None
            for kind, flags, sequence, body in wire.messages(data):
                if kind == wire.ERROR:
                    number, detail = _parse_error(flags, body)
                    yield number, sequence, detail

    def _discard_answers(self) -> None:
        for _ in self._answers():
            pass

    def _request(self, kind: int, flags: int, body: bytes) -> Iterator[bytes]:
        """Yield the attributes of each answer to a request."""
        sequence = next(self._sequence)
        kind = wire.SUBSYSTEM_NFTABLES << 8 | kind
        self._send(wire.message(kind, wire.REQUEST | flags, sequence, body))
        while True:
            for answer, answer_flags, number, content in wire.messages(
                self._socket.recv(_RECEIVE_MAX)
            ):
                if number != sequence:
                    continue
                if answer == wire.DONE:
                    return
                if answer == wire.ERROR:
                    code, detail = _parse_error(answer_flags, content)
                    if code == 0:
                        return
                    raise NftError("cannot read nf_tables", -1, code, detail)
                yield content[wire.FAMILY_HEADER.size :]
            if not flags & wire.DUMP:
                return


def _parse_error(flags: int, body: bytes) -> tuple[int, str]:
    number = -int.from_bytes(body[:4], sys.byteorder, signed=True)
    if not flags & _ERROR_IS_CAPPED or len(body) <= 4 + wire.HEADER.size:
        return number, ""
    extended = dict(wire.attributes(body[4 + wire.HEADER.size :]))
    return number, extended.get(_EXT_ACK_MESSAGE, b"").rstrip(b"\0").decode(errors="replace")
