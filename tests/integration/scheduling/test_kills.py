"""Scheduler and API server killed at random points: every pod is bound, no node overcommitted."""

import asyncio
import collections
import contextlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from podraft.client.client import Client
from podraft.client.config import load
from podraft.client.errors import AlreadyExistsError, UnavailableError
from support.scheduling.clusters import make_node, make_pod
from support.waiting import eventually_async

NODES = 4
PODS_PER_NODE = 25  # They fill the nodes exactly: one pod placed wrongly leaves another without.
KILLS = 6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Component:
    """One process of the control plane that can be killed and started again."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self.command = [sys.executable, "-m", "podraft.server.app", "--metrics-listen", ""]
        self.command += arguments
        self.log = log
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(self.command, stdout=log, stderr=log, env={**os.environ})

    def kill_and_restart(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self.start()


@contextlib.contextmanager
def component(arguments: Sequence[str], log: Path) -> Iterator[Component]:
    started = Component(arguments, log)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()


async def create_pods(client: Client, rng: random.Random) -> None:
    """Create the pods one by one; an answer that got lost is asked for again."""
    for index in range(NODES * PODS_PER_NODE):
        pod = make_pod(f"p{index}", owner=f"owner-{index % 3}", cpu="100m")
        pod.metadata.ClearField("uid")
        while True:
            try:
                await client.pods.create(pod)
                break
            except AlreadyExistsError:
                break
            except UnavailableError:
                await asyncio.sleep(0.02)
        await asyncio.sleep(rng.uniform(0, 0.04))


def test_kills_at_random_points_lose_no_pod_and_overcommit_no_node(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    listen = ["--listen", f"127.0.0.1:{free_port()}", "--join-listen", "127.0.0.1:0"]
    api_arguments = ["--components", "api", "--data-dir", str(tmp_path), *listen]
    scheduler_config = tmp_path / "scheduler.conf"
    scheduler_arguments = ["--components", "scheduler", "--config", str(scheduler_config)]

    async def main() -> None:
        with component(api_arguments, tmp_path / "api.log") as api:
            await eventually_async(scheduler_config.exists)
            await eventually_async((tmp_path / "admin.conf").exists)
            with component(scheduler_arguments, tmp_path / "scheduler.log") as scheduler:
                async with Client(load(tmp_path / "admin.conf")) as client:
                    for index in range(NODES):
                        node = make_node(f"n{index}", cpu="2500m", memory="64Gi")
                        await client.nodes.create(node)
                        await client.nodes.update_status(node)
                    creating = asyncio.create_task(create_pods(client, rng))
                    for _ in range(KILLS):
                        await asyncio.sleep(rng.uniform(0.2, 1.2))
                        rng.choice((api, scheduler, scheduler)).kill_and_restart()
                    await creating
                    await check(client)

    async def check(client: Client) -> None:
        counts: collections.Counter[str] = collections.Counter()

        async def all_bound() -> bool:
            counts.clear()
            with contextlib.suppress(UnavailableError):
                counts.update(pod.spec.node_name for pod in (await client.pods.list()).items)
            return counts.total() == NODES * PODS_PER_NODE and "" not in counts

        done: bool = await eventually_async(all_bound, within_s=40)
        assert done
        assert set(counts.values()) == {PODS_PER_NODE}, counts

    asyncio.run(main())
