"""The API server on a real etcd: what it acknowledged outlives it, watches go on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from local_cluster import server_process
from podraft.api.core.v1.config_pb2 import ConfigMap
from podraft.api.meta.v1 import requests_pb2
from podraft.cli.errors import lines_of_api_error
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.errors import AlreadyExistsError, ApiError, UnavailableError
from podraft.server.auth.identity import Role
from podraft.server.auth.pki import ensure_pki
from podraft.server.external import address
from podraft.server.external.etcd import EtcdDatastore
from podraft.server.state.datastore import StoreUnavailableError
from support import etcd_process
from support.etcd_process import EtcdProcess, free_port
from support.sealing import SEALER


@pytest.fixture(scope="module")
def etcd() -> Iterator[EtcdProcess]:
    with etcd_process.running() as running:
        yield running


def config_map(name: str, value: str = "v") -> ConfigMap:
    made = ConfigMap(data={"k": value})
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


def on(etcd: EtcdProcess, prefix: str) -> tuple[str, ...]:
    return (f"--datastore=etcd://{etcd.endpoint}/{prefix}",)


def test_what_was_acknowledged_outlives_the_server_and_watches_resume(etcd) -> None:
    async def before(client: Client) -> str:
        first = await client.config_maps.create(config_map("a"))
        with pytest.raises(AlreadyExistsError):
            await client.config_maps.create(config_map("a"))
        await client.commit([writes.create(config_map(name)) for name in ("b", "c")])
        listed = await client.config_maps.list("default")
        assert [item.metadata.name for item in listed.items] == ["a", "b", "c"]
        # The two of one commit share one revision, and carry it.
        assert len({item.metadata.resource_version for item in listed.items}) == 2
        return first.metadata.resource_version

    async def after(client: Client, resource_version: str) -> None:
        await client.config_maps.delete("a", "default")
        seen: list[tuple[str, int]] = []
        watch = client.config_maps.watch("default", resource_version=resource_version)
        async with asyncio.timeout(20), aclosing(watch) as batches:  # type: ignore[type-var]  # a generator
            async for batch in batches:
                seen += [(e.object.metadata.name, e.type) for e in batch]
                if ("a", requests_pb2.WATCH_EVENT_TYPE_DELETED) in seen:
                    break
        added = requests_pb2.WATCH_EVENT_TYPE_ADDED
        named = [(name, kind) for name, kind in seen if name]  # Without bookmarks.
        assert named == [
            ("b", added),
            ("c", added),
            ("a", requests_pb2.WATCH_EVENT_TYPE_DELETED),
        ]

    with server_process.running(on(etcd, "outlives")) as server:

        async def run_before() -> tuple[str, str]:
            async with Client(server.config()) as client:
                return await before(client), (await client.version()).cluster_id

        async def run_after(resource_version: str) -> str:
            async with Client(server.config()) as client:
                await after(client, resource_version)
                return (await client.version()).cluster_id

        resource_version, cluster = asyncio.run(run_before())
        server.kill()
        server.start()
        assert asyncio.run(run_after(resource_version)) == cluster


def test_an_etcd_that_is_away_refuses_calls_and_comes_back(tmp_path) -> None:
    with etcd_process.running() as etcd, server_process.running(on(etcd, "away")) as server:

        async def main() -> None:
            async with Client(server.config()) as client:
                await client.config_maps.create(config_map("before"))
                etcd.kill()
                with pytest.raises(ApiError) as refused:
                    await client.config_maps.create(config_map("meanwhile"))
                assert isinstance(refused.value, UnavailableError)
                assert "etcd does not answer (" in refused.value.message
                # What a user reads names the culprit.
                told = lines_of_api_error(refused.value, "there")
                assert told[0].startswith("the API server at there cannot use its store: etcd")
                await asyncio.to_thread(etcd.start)
                await client.config_maps.create(config_map("after"))
                names = [i.metadata.name for i in (await client.config_maps.list("default")).items]
                assert names[0] == "after"
                assert "before" in names

        asyncio.run(main())
        assert server.process.poll() is None


def test_a_commit_beyond_etcds_limit_says_what_to_do(etcd) -> None:
    with server_process.running(on(etcd, "limit")) as server:

        async def main() -> None:
            async with Client(server.config()) as client:
                with pytest.raises(ApiError, match=r"--max-txn-ops=10000"):
                    await client.commit([writes.create(config_map(f"c{n}")) for n in range(200)])
                assert not (await client.config_maps.list("default")).items

        asyncio.run(main())


def test_etcd_with_client_certificates(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path / "pki", addresses=())
    files = {
        "ca": pki.certificate_authority,
        "clients-ca": pki.authority.issuer(Role.CLIENT).pem,
        "cert": pki.server.certificate,
        "key": pki.server.key,
    }
    config = pki.config("admin", ("unused:1",))
    files |= {"client-cert": config.client_certificate, "client-key": config.client_key}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    tls = [f"--cert-file={tmp_path / 'cert'}", f"--key-file={tmp_path / 'key'}"]
    tls += [f"--trusted-ca-file={tmp_path / 'clients-ca'}", "--client-cert-auth"]
    trusted = [f"--etcd-ca={tmp_path / 'ca'}"]
    ours = [f"--etcd-cert={tmp_path / 'client-cert'}", f"--etcd-key={tmp_path / 'client-key'}"]
    with etcd_process.running(tls, "https") as etcd:
        with server_process.running((*on(etcd, "tls"), *trusted, *ours)) as server:

            async def main() -> None:
                async with Client(server.config()) as client:
                    await client.config_maps.create(config_map("a"))

            asyncio.run(main())
        # Without the client's certificate etcd does not talk to us.
        store = address.parse(f"etcd://{etcd.endpoint}/tls", authority=tmp_path / "ca")

        async def refused() -> None:
            with pytest.raises(StoreUnavailableError):
                await EtcdDatastore.open(store, SEALER)

        asyncio.run(refused())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--datastore=etcd://127.0.0.1:{port}"], "etcd does not answer"),
        (["--datastore=zookeeper://x:1"], "expected etcd://HOST:PORT"),
        (["--datastore=etcd://hostonly"], "is no HOST:PORT"),
        (["--etcd-ca=/absent"], "need --datastore"),
        (["--datastore=etcd://x:1", "--etcd-ca=/absent"], "/absent: No such file"),
        (["--datastore=etcd://x:1", "--etcd-cert=/absent"], "--etcd-ca"),
    ],
)
def test_a_start_that_cannot_succeed_says_why_in_a_line(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    command = [sys.executable, "-m", "podraft.server.app", "--components=api"]
    command += [f"--data-dir={tmp_path}", "--listen=127.0.0.1:0", "--join-listen=127.0.0.1:0"]
    command += [argument.format(port=free_port()) for argument in arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode in (1, 2)
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
