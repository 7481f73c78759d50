"""A prefix of etcd whose values are sealed: its keys, and the sealing of older values.

Owns: ``<prefix>/keys`` and ``<prefix>/sealed``.

Invariants: all servers of one prefix use the same ring, which the first of them made.  Values
that an older version wrote are rewritten before a server begins; from that revision on
nothing unsealed is accepted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from podraft.internal.etcd.v3 import etcd_pb2
from podraft.server.encryption.key_encryption import EncryptionError, KeyEncryption
from podraft.server.encryption.key_ring import KeyRing
from podraft.server.encryption.sealing import Sealer
from podraft.server.external.translation import Translation
from podraft.server.state.datastore import StoreFailedError

_LOG = logging.getLogger(__name__)

# An etcd takes 128 reads and writes in one transaction unless it is told otherwise.
_REWRITTEN_AT_ONCE: Final = 50

Txn = Callable[[etcd_pb2.TxnRequest], Awaitable[etcd_pb2.TxnResponse]]
Range = Callable[[etcd_pb2.RangeRequest], Awaitable[etcd_pb2.RangeResponse]]


async def open_sealer(prefix: str, keys: KeyEncryption, txn: Txn, read: Range) -> Sealer:
    """Return the sealer of ``prefix``; make its ring if there is none.

    Raises:
        StoreFailedError: etcd does not answer, or the ring's key-encryption key is missing.
    """
    where = f"{prefix}/keys"
    key = where.encode()
    kept: list[bytes] = []
    try:
        found = (await read(etcd_pb2.RangeRequest(key=key))).kvs
        if not found:
            await asyncio.to_thread(KeyRing.made, keys, kept.append, sealed=True)
            request = etcd_pb2.TxnRequest()
            request.compare.add(target=etcd_pb2.Compare.MOD, key=key, mod_revision=0)
            request.success.add().request_put.MergeFrom(etcd_pb2.PutRequest(key=key, value=kept[0]))
            await txn(request)
            # Another server was first and has made it.
            found = (await read(etcd_pb2.RangeRequest(key=key))).kvs
        content = found[0].value
        ring = await asyncio.to_thread(
            KeyRing.decoded, content, f"etcd's {where}", keys, kept.append
        )
    except EncryptionError as error:
        raise StoreFailedError(str(error)) from None
    return ring.sealer


async def seal_older(translation: Translation, txn: Txn, read: Range) -> None:
    """Seal the values that an older version left unsealed, unless that was done already.

    Raises:
        StoreFailedError: etcd does not answer, or something else uses the prefix.
    """
    marked = (await read(etcd_pb2.RangeRequest(key=translation.sealed_key))).kvs
    if marked:
        translation.believe_through(marked[0].value)
        return
    first, end = translation.span(b"")
    rewritten = 0
    while True:
        page = await read(etcd_pb2.RangeRequest(key=first, range_end=end, limit=_REWRITTEN_AT_ONCE))
        changed = await _rewrite(page, translation, txn)
        if changed is None:
            continue  # Another server wrote meanwhile: look at the same keys again.
        rewritten += changed
        if not page.more:
            break
        first = page.kvs[-1].key + b"\0"
    if rewritten:
        _LOG.warning(
            "%d values in etcd were sealed; older versions of them stay readable in its history "
            "until it is compacted and defragmented",
            rewritten,
        )
    revision = (await read(etcd_pb2.RangeRequest(key=first, count_only=True))).header.revision
    request = etcd_pb2.TxnRequest()
    request.success.add().request_put.MergeFrom(
        etcd_pb2.PutRequest(key=translation.sealed_key, value=translation.sealed_mark(revision))
    )
    await txn(request)
    translation.unsealed_through = revision


async def _rewrite(page: etcd_pb2.RangeResponse, translation: Translation, txn: Txn) -> int | None:
    """Seal the unsealed values of a page; return their number, None if the page has changed."""
    request = etcd_pb2.TxnRequest()
    for found in page.kvs:
        value = translation.resealed(found)
        if value is not None:
            request.compare.add(
                target=etcd_pb2.Compare.MOD, key=found.key, mod_revision=found.mod_revision
            )
            request.success.add().request_put.MergeFrom(
                etcd_pb2.PutRequest(key=found.key, value=value)
            )
    if not request.compare:
        return 0
    return len(request.compare) if (await txn(request)).succeeded else None
