"""Answers get lost on their way, wherever: the SDK asks again, and everything happened once."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from random import Random

import pytest

from local_cluster.server_process import ServerProcess
from support.cutting_proxy import CuttingProxy
from support.steady_load import Book, SteadyLoad


@pytest.mark.parametrize("seed", [1, 2])
def test_lost_answers_are_asked_for_again_and_take_effect_once(seed: int, tmp_path: Path) -> None:
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

    with ServerProcess(tmp_path / "data") as server:
        asyncio.run(main(server))
