"""The embedded store keeps the contract, with memory enough and with hardly any."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from conformance.datastore_suite import DatastoreSuite, OpenStore
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions


def opener(directory: Path, options: StoreOptions) -> OpenStore:
    @asynccontextmanager
    async def open_store() -> AsyncIterator[EmbeddedDatastore]:
        store = await EmbeddedDatastore.open(directory, options=options)
        try:
            yield store
        finally:
            await store.close()

    return open_store


class TestEmbedded(DatastoreSuite):
    """As configured by default, but for impatient tests."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return opener(tmp_path / "data", StoreOptions(bookmark_interval_s=0.05))


class TestEmbeddedWithLittleMemory(DatastoreSuite):
    """Two recent events, small segments: the past comes from disk, segments come and go."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        options = StoreOptions(
            bookmark_interval_s=0.05,
            recent_events=2,
            segment_bytes=4096,
            history_map_bytes=64 * 1024,
            history_flush_interval_s=0.01,
        )
        return opener(tmp_path / "data", options)
