"""Join tokens in the store: made, listed and removed.

Owns: their number, and the removal of those which have expired.  Invariant: a secret leaves once,
to the caller that had the token made; it is neither stored nor logged nor listed.
"""

from __future__ import annotations

import os
import time
from typing import Final

from podraft.api.cluster.v1 import cluster_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.server.auth import tokens
from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.auth.tokens import TokenError, TokenFacts, TokenKind
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.state.datastore import Committed, Datastore, Delete, Put, Record, Transaction

TOKENS_MAX: Final = 1000
TOKEN_LIFETIME_S_MIN: Final = 60
TOKEN_LIFETIME_S_MAX: Final = 604_800


async def create_join_token(
    datastore: Datastore,
    authority: CertificateAuthority,
    lifetime_s: int,
    kind: TokenKind = tokens.NODE,
    name: str = "",
    uses: int = 1,
) -> cluster_pb2.JoinToken:
    """Make and store a join token, and remove tokens that have expired.

    Raises:
        RefusedError: There are too many tokens that have not expired.
    """
    now_s = time.time()
    token = tokens.make_token(
        os.urandom(tokens.RANDOM_BYTES), authority.fingerprint, now_s, lifetime_s, kind, name, uses
    )
    stored = (await datastore.range(kind.key_prefix, limit=TOKENS_MAX)).records
    writes: list[Put | Delete] = [
        Delete(record.key) for record in stored if tokens.is_expired(record.value, now_s)
    ]
    if len(stored) - len(writes) >= TOKENS_MAX:
        raise RefusedError(
            Code.RESOURCE_EXHAUSTED,
            f"there are {TOKENS_MAX} join tokens already: `podraft token delete` removes one, "
            "or wait until some have expired",
        )
    writes.append(Put(token.key, token.stored, stamped=False))
    outcome = await datastore.transact(Transaction((), tuple(writes)))
    assert isinstance(outcome, Committed)  # Without guards a transaction cannot fail.
    return cluster_pb2.JoinToken(
        token=token.text, expires_at=meta_pb2.Time(seconds=token.expires_at_s)
    )


async def listed_tokens(datastore: Datastore) -> list[TokenFacts]:
    """Return the public facts of the tokens that have not expired."""
    now_s = time.time()
    found = []
    for kind in (tokens.NODE, tokens.MEMBER):
        page = await datastore.range(kind.key_prefix, limit=TOKENS_MAX)
        found += [
            tokens.facts_of(record.key, record.value, kind)
            for record in page.records
            if not tokens.is_expired(record.value, now_s)
        ]
    return found


async def delete_token(datastore: Datastore, token_id: str) -> None:
    """Remove a token, so that nobody can join with it any more.

    Raises:
        RefusedError: The id is malformed, or no token has it.
    """
    found = []
    for kind in (tokens.NODE, tokens.MEMBER):
        try:
            key = tokens.key_of(token_id, kind)
        except TokenError as error:
            raise invalid("id", str(error)) from None
        record = await datastore.get(key)
        if record is not None:
            found.append(Delete(key))
    if not found:
        raise RefusedError(Code.NOT_FOUND, f'there is no join token "{token_id}"')
    await datastore.transact(Transaction((), tuple(found)))


async def checked_token(datastore: Datastore, text: str, kind: TokenKind) -> Record:
    """Return the stored record of a token.

    Raises:
        RefusedError: ``text`` is no valid token of this kind.
    """
    try:
        record = await datastore.get(tokens.parse_token(text, kind).key)
        stored = record.value if record is not None else None
        tokens.check_token(text, stored, time.time(), kind)
    except TokenError as error:
        raise RefusedError(Code.UNAUTHENTICATED, str(error)) from None
    assert record is not None  # Else the check would have failed.
    return record


def check_lifetime(lifetime_s: int) -> None:
    """Refuse a token's lifetime that is too short or too long.

    Raises:
        RefusedError: The lifetime is out of bounds.
    """
    if not TOKEN_LIFETIME_S_MIN <= lifetime_s <= TOKEN_LIFETIME_S_MAX:
        raise invalid(
            "lifetimeSeconds",
            f"expected {TOKEN_LIFETIME_S_MIN} to {TOKEN_LIFETIME_S_MAX}, got {lifetime_s}",
        )


def check_uses(uses: int) -> None:
    """Refuse a token for too many machines.

    Raises:
        RefusedError: The number of uses is out of bounds.
    """
    if not 1 <= uses <= tokens.USES_MAX:
        raise invalid("uses", f"expected 1 to {tokens.USES_MAX}, got {uses}")
