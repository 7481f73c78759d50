"""Answers get lost on their way, wherever: the SDK asks again, and everything happened once."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from random import Random

from local_cluster.server_process import ServerProcess
from support import etcd_process
from support.cutting_proxy import CuttingProxy
from support.steady_load import Book, SteadyLoad


def test_with_a_server_alone(tmp_path: Path) -> None:
    lose_answers(1, tmp_path, ())


def test_with_a_server_on_etcd(tmp_path: Path) -> None:
    with etcd_process.running() as etcd:
        lose_answers(2, tmp_path, (f"--datastore=etcd://{etcd.endpoint}/lost",))


def lose_answers(seed: int, directory: Path, arguments: tuple[str, ...]) -> None:
    print(f"seed {seed}")

    async def main(server: ServerProcess) -> None:
        config = server.config()
        proxies = [CuttingProxy(config.servers[0], Random(seed * 10 + n)) for n in range(2)]
        servers = tuple([await proxy.start() for proxy in proxies])
        load = SteadyLoad(dataclasses.replace(config, servers=servers), Book())
        await load.start()
        await load.goes_on(60)
        for proxy in proxies:
            proxy.calm = True
        await load.finish()
        cut, silenced = (sum(getattr(p, n) for p in proxies) for n in ("cut", "silenced"))
        print(
            f"{cut} connections cut, {silenced} silenced, {load.book.operations.total()} operations"
        )
        assert cut > 20
        for proxy in proxies:
            await proxy.stop()

    with ServerProcess(directory / "data", arguments) as server:
        asyncio.run(main(server))
