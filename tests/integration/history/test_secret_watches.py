"""A watch of Secrets does not replay what was replaced long ago."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podraft.api import kinds
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.past.past_reads import PastReads
from podraft.server.registry.past.secret_values import SecretHashes
from podraft.server.registry.slices import Turns
from podraft.server.state.datastore import Put, RevisionCompactedError, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions, wall_clock_ms


def test_only_a_short_absence_is_resumed_from(tmp_path: Path) -> None:
    # Revisions 1 to 5 are an hour old, 6 to 9 of now.
    times = [wall_clock_ms() - 3_600_000 + n for n in range(5)] + [wall_clock_ms()] * 100
    options = StoreOptions(now_ms=lambda: times.pop(0))

    async def main() -> None:
        store = await EmbeddedDatastore.open(tmp_path, options=options)
        for n in range(9):
            await store.transact(Transaction((), (Put(b"secrets/a/b", b"%d" % n),)))
        reads = PastReads(
            store,
            store.past,
            Caches(kinds.Registry(kinds.BUILT_IN)),
            SecretHashes(b"key"),
            b"key",
            Turns(),
        )
        for revision in range(1, 5):
            with pytest.raises(RevisionCompactedError):
                await reads.check_resume(kinds.SECRET, revision)
            await reads.check_resume(kinds.CONFIG_MAP, revision)
        for fine in (5, 8, 9, 99):
            await reads.check_resume(kinds.SECRET, fine)
        await store.close()

    asyncio.run(main())
