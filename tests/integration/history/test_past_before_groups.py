"""A server on a directory from before keys had groups shows its past, and its watches resume."""

from __future__ import annotations

import asyncio
import tarfile
from pathlib import Path

import pytest

from local_cluster.server_process import ServerProcess
from podraft.api import kinds
from podraft.client.calls.client import Client
from podraft.client.errors import NotFoundError

FIXTURE = Path(__file__).parents[1] / "store" / "data" / "before-groups-in-keys.tar.gz"


async def look(client: Client) -> None:
    deployments = client.deployments
    for at, version in (("4", "1"), ("9", "1"), ("10", "2"), ("16", "2"), ("17", "3")):
        found = await deployments.get("web", "default", at=at)
        assert found.metadata.labels["v"] == version
    listed = await deployments.list("default", at="12")
    assert [item.metadata.name for item in listed.items] == ["gone", "web"]
    assert [i.metadata.name for i in (await deployments.list("default", at="13")).items] == ["web"]
    with pytest.raises(NotFoundError):
        await deployments.get("gone", "default", at="13")
    gone = await client.history.object_history(kinds.DEPLOYMENT, "gone", "default")
    assert [version.revision for version in gone.versions] == [15, 13, 12]
    change = await client.history.revision(18)
    assert {kinds.BUILT_IN.of(c.before or c.after).name for c in change.changes} == {
        "ReplicaSet",
        "EndpointSlice",
    }
    seen: list[tuple[str, str]] = []
    async for batch in deployments.watch("default", resource_version="9"):
        objects = [event.object.metadata for event in batch]
        seen += [(metadata.name, metadata.labels.get("v", "")) for metadata in objects]
        if len(seen) >= 5:
            break
    assert seen[:5] == [
        ("web", "2"),
        ("gone", ""),
        ("gone", ""),
        ("gone", ""),
        ("web", "3"),
    ]


def test_the_past_of_before_is_shown_and_watched_through_the_api(tmp_path: Path) -> None:
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (tmp_path / "alone").rename(data / "store")
    (tmp_path / "alone.keys").rename(tmp_path / "data.keys")
    with ServerProcess(data) as server:

        async def main() -> None:
            async with Client(server.config()) as client:
                await look(client)

        asyncio.run(main())
