"""Scheduler and API server killed at random points: every pod is bound, no node overcommitted."""

import asyncio
import collections
import contextlib
import random
from pathlib import Path

from local_cluster.server_process import ServerProcess
from podraft.client.calls.client import Client
from podraft.client.errors import AlreadyExistsError, UnavailableError
from support.scheduling.clusters import make_node, make_pod
from support.waiting import eventually_async

NODES = 4
PODS_PER_NODE = 25  # They fill the nodes exactly: one pod placed wrongly leaves another without.
KILLS = 6


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

    async def main() -> None:
        with ServerProcess(tmp_path / "api") as api:
            of_api = f"--config={api.config_path('scheduler')}"
            with ServerProcess(
                tmp_path / "scheduler", [of_api], components="scheduler"
            ) as scheduler:
                async with Client(api.config()) as client:
                    for index in range(NODES):
                        node = make_node(f"n{index}", cpu="2500m", memory="64Gi")
                        await client.nodes.create(node)
                        await client.nodes.update_status(node)
                    creating = asyncio.create_task(create_pods(client, rng))
                    for _ in range(KILLS):
                        await asyncio.sleep(rng.uniform(0.2, 1.2))
                        victim = rng.choice((api, scheduler, scheduler))
                        victim.kill()
                        victim.begin()
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
