"""Lists: the stored bytes, page by page, at one revision.

Owns: pages and their continuation tokens.  Invariants: all pages of one list show the same
revision, unless its caller asks to go on at the newest after that one was compacted; a token is
valid only in the list that gave it and for the caller that got it, or it would open the past;
nothing is decoded unless a selector demands it.
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
from podraft.server.registry.cache.kind_cache import KindCache
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.registry.selection import Selection
from podraft.server.registry.slices import Work
from podraft.server.state.datastore import Record, RevisionCompactedError
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
    """The place where the next page begins, and the revision that all pages show (0: the newest).

    ``remaining`` is the number of items after that place, None if it is not known.
    """

    revision: int
    last_key: bytes
    remaining: int | None = None

    def encode(self, key: bytes) -> str:
        """Return the opaque text that clients send back, sealed with the list's ``key``."""
        remaining = b"" if self.remaining is None else b"%d" % self.remaining
        raw = b"%d:%s:%s" % (self.revision, remaining, self.last_key)
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
            revision, remaining, last_key = raw.split(b":", 2)
        except (ValueError, binascii.Error):
            raise invalid(
                "continueToken", "is not what a list with the same arguments returned"
            ) from None
        return cls(int(revision), last_key, int(remaining) if remaining else None)


def _seal(raw: bytes, key: bytes) -> bytes:
    return blake2b(raw, key=key, digest_size=_SEAL_BYTES).digest()


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
        RefusedError: Limit or token are malformed, the token's revision is no longer kept, or the
            call takes too much time.
        RevisionCompactedError: ``revision`` is no longer kept.
    """
    if request.limit < 0:
        raise invalid("limit", "must not be negative")
    start = Continuation(revision, b"")
    if request.continue_token:
        start = Continuation.decode(request.continue_token, key)
    limit = min(request.limit, _LIMIT_MAX)
    try:
        found = await _collect(datastore, cache, selection, start, limit, work)
    except RevisionCompactedError as error:
        if not request.continue_token:
            raise
        raise _expired(error, Continuation(0, start.last_key).encode(key)) from None
    metadata = meta_pb2.ListMeta(resource_version=str(found.revision))
    if found.more and found.records:
        left = found.remaining
        if left is not None:
            metadata.remaining_item_count = left
        last_key = found.records[-1].key
        metadata.continue_token = Continuation(found.revision, last_key, left).encode(key)
    return found.records, metadata


def _expired(error: RevisionCompactedError, token: str) -> RefusedError:
    return RefusedError(
        Code.OUT_OF_RANGE,
        f"the list cannot go on at its revision: {error}; list again from the beginning, or go on "
        "with the objects as they are now by the continue token in the error's details",
        continue_token=token,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """Selected records, their revision, whether more may follow, and how many if it is known."""

    records: list[Record]
    revision: int
    more: bool
    remaining: int | None = None


async def _collect(
    datastore: Reads,
    cache: KindCache,
    selection: Selection,
    start: Continuation,
    limit: int,
    work: Work,
) -> _Found:
    """Return up to ``limit`` selected records."""
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
            return _Found(found[:limit], revision, more=True)
        if not page.more or (limit and len(found) == limit):
            remaining = None
            if not selection.looks_inside:
                remaining = page.remaining
                if start.remaining is not None:
                    remaining = max(start.remaining - len(found), 0)
            return _Found(found, revision, page.more, remaining)
        last_key = page.records[-1].key
