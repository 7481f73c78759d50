"""The translation between our vocabulary and etcd's: keys, revisions, values, transactions, events.

Owns: the layout of podraft's state in etcd.

    <prefix>/store/<key, in the written form>  ->  value, sealed for the key | kind u8
    <prefix>/requests/<id>  ->  digest, 16 bytes or none, sealed; with a lease; written together
                                with what the request wanted
    <prefix>/keys  ->  the ring of the data keys (``KeyRing``)
    <prefix>/sealed  ->  the revision up to which older, unsealed values are accepted; sealed

Kinds 3 and 2 are the sealed forms of the older, unsealed kinds 1 and 0.  Kind 3: the value is
stamped.  The revision of a write is known only afterwards, so etcd holds the value without its
suffix, and a reader appends the suffix of ``mod_revision``: the layers above see the same bytes as
from every other engine.  Kind 2: the value is stored unchanged.

Keys have in etcd the form that servers of every version know (see ``key_forms``), so old and new
servers may use one prefix, and what was written before keys had groups keeps its place, its
revisions and its history.  Within a resource, keys have their own order.

An empty etcd is at revision 1, an empty store of ours at 0: our revision N is etcd's N + 1,
everywhere.  Invariant: no etcd revision leaves this package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from podraft.internal.etcd.v3 import etcd_pb2
from podraft.server.encryption.sealing import Sealer, SealError
from podraft.server.state.datastore import (
    Event,
    Guard,
    Put,
    Record,
    Repeated,
    StoreFailedError,
    Transaction,
)
from podraft.server.state.key_forms import grouped, written
from podraft.server.state.keyspace import prefix_end
from podraft.server.state.revisions import revision_suffix

_OFFSET: Final = 1
_RAW: Final = b"\2"
_STAMPED: Final = b"\3"
_UNSEALED: Final = {b"\0": _RAW, b"\1": _STAMPED}
_VALUE_CONTEXT: Final = b"etcd value\0"
_REQUEST_CONTEXT: Final = b"etcd request\0"
_SEALED_CONTEXT: Final = b"etcd sealed\0"


class ForeignValueError(StoreFailedError):
    """A key below our prefix holds a value that podraft did not write."""


class IncompleteHistoryError(Exception):
    """An event came without the previous value, which was compacted meanwhile."""


def to_etcd(revision: int) -> int:
    """Return etcd's number for our ``revision``."""
    return revision + _OFFSET


def from_etcd(revision: int) -> int:
    """Return our number for etcd's ``revision``; 0 stays 0 (no revision)."""
    return max(revision - _OFFSET, 0)


class Translation:
    """The mapping below one prefix; values are sealed by ``sealer``.

    Unsealed values are accepted up to the etcd revision ``unsealed_through``; None: all are.
    """

    def __init__(self, prefix: str, sealer: Sealer) -> None:
        self.sealer = sealer
        self.unsealed_through: int | None = None
        self._root = f"{prefix}/store/".encode()
        self._requests = f"{prefix}/requests/".encode()
        self.identity_key = f"{prefix}/identity".encode()
        self.sealed_key = f"{prefix}/sealed".encode()

    def key(self, key: bytes) -> bytes:
        """Return etcd's key for our ``key``."""
        return self._root + written(key)

    def _known(self, key: bytes) -> bytes:
        """Return our key for etcd's ``key``."""
        return grouped(key[len(self._root) :])

    def request_key(self, request: bytes) -> bytes:
        """Return the etcd key that records that ``request`` took effect."""
        return self._requests + request.hex().encode()

    def span(self, prefix: bytes, start_after: bytes = b"") -> tuple[bytes, bytes]:
        """Return the bounds of the keys that begin with ``prefix`` and follow ``start_after``."""
        first = self.key(prefix)
        end = prefix_end(first)
        assert end is not None  # The root ends with a slash.
        if start_after and start_after >= prefix:
            first = self.key(start_after) + b"\0"
        return first, max(end, first)

    def record(self, found: etcd_pb2.KeyValue) -> Record:
        """Return the record that ``found`` holds.

        Raises:
            ForeignValueError: podraft did not write it.
        """
        revision = from_etcd(found.mod_revision)
        value, kind = self._opened(found)
        if kind == _STAMPED:
            value += revision_suffix(revision)
        return Record(self._known(found.key), value, from_etcd(found.create_revision), revision)

    def _opened(self, found: etcd_pb2.KeyValue) -> tuple[bytes, bytes]:
        """Return the value in ``found`` and its kind, given as that of a sealed value."""
        value, kind = found.value[:-1], found.value[-1:]
        if kind in _UNSEALED:
            through = self.unsealed_through
            if through is not None and found.mod_revision > through:
                raise ForeignValueError(
                    f"etcd's key {found.key!r} holds a value that is not sealed: it was written by "
                    "an older podraft-server, which must not run any more, or by somebody else"
                )
            return value, _UNSEALED[kind]
        if kind not in (_RAW, _STAMPED):
            raise ForeignValueError(
                f"etcd's key {found.key!r} was not written by podraft: use another prefix"
            )
        try:
            return self.sealer.open(value, _VALUE_CONTEXT + kind + found.key), kind
        except SealError as error:
            raise ForeignValueError(
                f"etcd's key {found.key!r}: {error}; does somebody else use this prefix?"
            ) from None

    def _sealed(self, key: bytes, value: bytes, kind: bytes) -> bytes:
        return self.sealer.seal(value, _VALUE_CONTEXT + kind + key) + kind

    def resealed(self, found: etcd_pb2.KeyValue) -> bytes | None:
        """Return the sealed form of an unsealed value; None if it is sealed already."""
        if found.value[-1:] not in _UNSEALED:
            return None
        value, kind = self._opened(found)
        return self._sealed(found.key, value, kind)

    def sealed_mark(self, revision: int) -> bytes:
        """Return the mark that unsealed values are accepted up to etcd's ``revision``."""
        return self.sealer.seal(revision.to_bytes(8, "big"), _SEALED_CONTEXT)

    def believe_through(self, mark: bytes) -> None:
        """Accept unsealed values up to the revision in ``mark``.

        Raises:
            ForeignValueError: podraft did not write it.
        """
        try:
            self.unsealed_through = int.from_bytes(self.sealer.open(mark, _SEALED_CONTEXT), "big")
        except SealError as error:
            raise ForeignValueError(f"etcd's key {self.sealed_key!r}: {error}") from None

    def event(self, change: etcd_pb2.WatchEvent) -> Event:
        """Return the event for etcd's ``change``.

        Raises:
            IncompleteHistoryError: The previous value is not known any more.
            ForeignValueError: podraft did not write it.
        """
        found = change.kv
        revision = from_etcd(found.mod_revision)
        removed = change.type == etcd_pb2.WatchEvent.DELETE
        previous = self.record(change.prev_kv) if change.HasField("prev_kv") else None
        if previous is None and (removed or found.create_revision != found.mod_revision):
            raise IncompleteHistoryError
        if removed:
            return Event(revision, self._known(found.key), None, 0, previous)
        record = self.record(found)
        return Event(revision, record.key, record.value, record.create_revision, previous)

    def transaction(self, transaction: Transaction, lease: int = 0) -> etcd_pb2.TxnRequest:
        """Return the call that carries out ``transaction`` or reads its guards' keys.

        If it has a request, etcd remembers that it was carried out as long as ``lease`` lives.
        """
        request = etcd_pb2.TxnRequest()
        for guard in transaction.guards:
            key = self.key(guard.key)
            # Zero is etcd's word for an absent key, too.
            expected = to_etcd(guard.mod_revision) if guard.mod_revision else 0
            request.compare.add(target=etcd_pb2.Compare.MOD, key=key, mod_revision=expected)
            request.failure.add().request_range.key = key
        for write in transaction.writes:
            key = self.key(write.key)
            if isinstance(write, Put):
                value = self._sealed(key, write.value, _STAMPED if write.stamped else _RAW)
                request.success.add().request_put.MergeFrom(
                    etcd_pb2.PutRequest(key=key, value=value)
                )
            else:
                request.success.add().request_delete_range.key = key
        if transaction.request:
            key = self.request_key(transaction.request)
            # Last: the answers to the guards keep their places.
            request.compare.add(target=etcd_pb2.Compare.MOD, key=key, mod_revision=0)
            request.failure.add().request_range.key = key
            digest = self.sealer.seal(transaction.digest, _REQUEST_CONTEXT + key)
            remembered = etcd_pb2.PutRequest(key=key, value=digest, lease=lease)
            request.success.add().request_put.MergeFrom(remembered)
        return request

    def repeated(self, transaction: Transaction, response: etcd_pb2.TxnResponse) -> Repeated | None:
        """Return how the refused transaction's request took effect before; None if it did not."""
        if not transaction.request:
            return None
        return self.remembered(response.responses[-1].response_range.kvs)

    def remembered(self, found: Sequence[etcd_pb2.KeyValue]) -> Repeated | None:
        """Return how a request took effect, from what is at its key: one value, or none."""
        if not found:
            return None
        try:
            digest = self.sealer.open(found[0].value, _REQUEST_CONTEXT + found[0].key)
        except SealError:
            digest = b""  # An older version's, which expires with its lease: it is not returned.
        return Repeated(from_etcd(found[0].mod_revision), digest)

    def unmet(
        self, transaction: Transaction, response: etcd_pb2.TxnResponse
    ) -> tuple[Guard, Record | None]:
        """Return the first guard that did not hold, and what it met."""
        # One more answer follows them if the transaction has a request.
        for guard, answer in zip(transaction.guards, response.responses, strict=False):
            kvs = answer.response_range.kvs
            found = self.record(kvs[0]) if kvs else None
            if guard.mod_revision != (found.mod_revision if found is not None else 0):
                return guard, found
        raise AssertionError("etcd refused a transaction whose guards hold")
