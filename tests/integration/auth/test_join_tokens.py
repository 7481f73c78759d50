"""Join tokens in the store: the expired ones go, their number is bounded."""

import asyncio
import datetime
import os
import time

import pytest

from podraft.server.auth import tokens
from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.joining import join_tokens
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore

AUTHORITY = CertificateAuthority.create(datetime.datetime.now(datetime.UTC))


async def store_tokens(datastore, number, made_at_s):
    made = [
        tokens.make_token(os.urandom(tokens.RANDOM_BYTES), AUTHORITY.fingerprint, made_at_s, 600)
        for _ in range(number)
    ]
    writes = tuple(Put(token.key, token.stored, stamped=False) for token in made)
    await datastore.transact(Transaction((), writes))


def test_a_new_token_sweeps_the_expired_ones(tmp_path):
    async def main():
        datastore = await EmbeddedDatastore.open(tmp_path)
        now_s = time.time()
        await store_tokens(datastore, 20, now_s - 3600)
        await store_tokens(datastore, 3, now_s)
        made = await join_tokens.create_join_token(datastore, AUTHORITY, 600)
        stored = (await datastore.range(tokens.NODE.key_prefix)).records
        assert len(stored) == 4
        key = tokens.parse_token(made.token).key
        assert key in {record.key for record in stored}
        await datastore.close()

    asyncio.run(main())


def test_there_are_at_most_so_many_tokens(tmp_path, monkeypatch):
    monkeypatch.setattr(join_tokens, "TOKENS_MAX", 5)

    async def main():
        datastore = await EmbeddedDatastore.open(tmp_path)
        await store_tokens(datastore, 5, time.time())
        with pytest.raises(RefusedError, match="there are 5 join tokens already") as refused:
            await join_tokens.create_join_token(datastore, AUTHORITY, 600)
        assert refused.value.code is Code.RESOURCE_EXHAUSTED
        await datastore.close()

    asyncio.run(main())
