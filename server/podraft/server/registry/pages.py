"""Lists: the stored bytes, page by page, at one revision.

Owns: pages and their continuation tokens.  Invariants: all pages of one list show the same
revision; a token is valid only in the list that gave it and for the caller that got it, or it
would open the past; nothing is decoded unless a selector demands it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import meta_pb2, requests_pb2
from podraft.server.registry import encoding
from podraft.server.registry.cache.kind_cache import KindCache
from podraft.server.registry.errors import invalid
from podraft.server.registry.selection import Selection
from podraft.server.registry.slices import Work
from podraft.server.state.datastore import Record
from podraft.server.state.reads import Reads

# With a selector and a limit the store is read in pieces of this size until the page is full.
_PIECE_RECORDS: Final = 1000
_TOKEN_BYTES_MAX: Final = 2048
_SEAL_BYTES: Final = 16
# More than any store holds: a client that wants everything may give any larger number.
_LIMIT_MAX: Final = 1 << 31


def list_key(
    tokens_key: bytes, author: bytes, kind: AnyKind, request: requests_pb2.ListRequest
) -> bytes:
    """Return the key that seals the tokens of one caller's list, on every server of the cluster.

    It is empty if the list has one page, and no tokens.
    """
    if not request.limit and not request.continue_token:
        return b""
    scope = (kind.group_resource, request.namespace, request.label_selector, request.field_selector)
    said = b"".join(len(part).to_bytes(8, "big") + part for part in map(str.encode, scope))
    return blake2b(said + author, key=tokens_key, digest_size=32).digest()


@dataclass(frozen=True, slots=True)
class Continuation:
    """The place where the next page begins, and the revision that all pages show."""

    revision: int
    last_key: bytes

    def encode(self, key: bytes) -> str:
        """Return the opaque text that clients send back, sealed with the list's ``key``."""
        raw = b"%d:%s" % (self.revision, self.last_key)
        return base64.urlsafe_b64encode(_seal(raw, key) + raw).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, key: bytes) -> Continuation:
        """Return the continuation that `encode` sealed with the same ``key``.

        Raises:
            RefusedError: ``text`` was not sealed with ``key``.
        """
        try:
            if len(text) > _TOKEN_BYTES_MAX:
                raise ValueError
            raw = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), b"-_", validate=True)
            seal, raw = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
            if not hmac.compare_digest(seal, _seal(raw, key)):
                raise ValueError
            revision_text, _, last_key = raw.partition(b":")
        except (ValueError, binascii.Error):
            raise invalid(
                "continueToken", "is not what a list with the same arguments returned"
            ) from None
        return cls(int(revision_text), last_key)


def _seal(raw: bytes, key: bytes) -> bytes:
    return blake2b(raw, key=key, digest_size=_SEAL_BYTES).digest()


async def list_encoded(
    datastore: Reads,
    cache: KindCache,
    selection: Selection,
    request: requests_pb2.ListRequest,
    key: bytes,
    work: Work,
) -> encoding.Parts:
    """Return one page as an encoded ``<Kind>List``; raises as ``list_page`` does."""
    records, metadata = await list_page(datastore, cache, selection, request, key, work)
    return encoding.encode_list([record.value for record in records], metadata)


async def list_page(
    datastore: Reads,
    cache: KindCache,
    selection: Selection,
    request: requests_pb2.ListRequest,
    key: bytes,
    work: Work,
    revision: int = 0,
) -> tuple[list[Record], meta_pb2.ListMeta]:
    """Return one page: the first at ``revision`` (0: the newest), later ones at their token's.

    ``key`` is the ``list_key`` of the call.

    Raises:
        RefusedError: Limit or token are malformed, or the call takes too much time.
        RevisionCompactedError: The token's revision is no longer kept.
    """
    if request.limit < 0:
        raise invalid("limit", "must not be negative")
    start = Continuation(revision, b"")
    if request.continue_token:
        start = Continuation.decode(request.continue_token, key)
    limit = min(request.limit, _LIMIT_MAX)
    records, revision, more = await _collect(datastore, cache, selection, start, limit, work)
    metadata = meta_pb2.ListMeta(resource_version=str(revision))
    if more and records:
        metadata.continue_token = Continuation(revision, records[-1].key).encode(key)
    return records, metadata


async def _collect(
    datastore: Reads,
    cache: KindCache,
    selection: Selection,
    start: Continuation,
    limit: int,
    work: Work,
) -> tuple[list[Record], int, bool]:
    """Return up to ``limit`` selected records, their revision, and whether more may follow."""
    found: list[Record] = []
    revision, last_key = start.revision, start.last_key
    piece = max(limit, _PIECE_RECORDS) if limit and selection.looks_inside else limit
    while True:
        page = await datastore.range(
            selection.prefix, start_after=last_key, limit=piece, revision=revision
        )
        revision = page.revision
        found.extend(await cache.selected(page.records, selection, work))
        if limit and len(found) > limit:
            return found[:limit], revision, True
        if not page.more or (limit and len(found) == limit):
            return found, revision, page.more
        last_key = page.records[-1].key
