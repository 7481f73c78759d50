"""The agent is killed while pods start and end; nothing is doubled, restarted or left behind.

The agent is a process of its own here, and Podman's service dies with it, so that every
step is interrupted sooner or later: pinning, creating, starting, telling, removing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from integration.agent.agent_world import (
    IMAGE,
    TRAP,
    World,
    assert_nothing_left,
    assign_pod_addresses,
    make_pod,
)
from local_cluster import podman_service
from podraft.agent.podman.core import spec
from podraft.api.core.v1 import pod_pb2
from podraft.api.objects.pods import is_ready
from podraft.client.errors import NotFoundError
from support.waiting import eventually_async

WORLDS: dict[str, dict[str, Any]] = {"killed_anywhere": {"start": False}}

_ROUNDS = 5
_KILL_WITHIN_S = 0.9


async def killed_anywhere(it: World) -> None:
    seed = int(os.environ.get("PODRAFT_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
    print(f"PODRAFT_SEED={seed}")
    chance = random.Random(seed)
    marks = it.directory / "marks"
    _make(marks)
    alive: list[str] = []
    with _agent(it) as agent:
        await _up(it, 0)
        it.import_image()
        await assign_pod_addresses(it.client)
        await _up(it, 1)
        agent.kill()
    for number in range(_ROUNDS):
        with _agent(it) as agent:
            await _up(it, number + 2)
            for name in (f"a{number}", f"b{number}"):
                await it.create(_pod(name, marks))
                alive.append(name)
            if number > 1 and chance.random() < 0.7:
                victim = alive.pop(chance.randrange(len(alive)))
                await it.client.pods.delete(victim, "default", grace_period_seconds=1)
            await asyncio.sleep(chance.uniform(0.0, _KILL_WITHIN_S))
            agent.kill()
    with _agent(it):
        # What the API holds may be true since before the last kill.
        await _up(it, _ROUNDS + 2)
        await asyncio.gather(*(it.until(name, is_ready, within_s=30) for name in alive))
        await eventually_async(lambda: _only(it, alive))
        await _check(it, alive, marks)
        await asyncio.gather(*(it.delete(name, 1) for name in alive))
        await assert_nothing_left(it)


async def _check(it: World, names: list[str], marks: Path) -> None:
    """Each container of the remaining pods was started once, and once alone exists."""
    expected = Counter((name, part) for name in names for part in ("main", "side"))
    seen = Counter(
        (one["Labels"][spec.LABEL_POD_NAME], one["Labels"][spec.LABEL_CONTAINER])
        for one in await _containers(it)
        if one["State"] in ("running", "paused", "stopping")
    )
    assert seen == expected, seen - expected or expected - seen
    for name in names:
        for part in ("first", "main", "side"):
            starts = (marks / f"{name}-{part}").read_text().splitlines()
            assert len(starts) == 1, f"{name}/{part} was started {len(starts)} times"
        for status in (await it.pod(name)).status.container_statuses:
            assert status.restart_count == 0, f"{name}: {status}"


def _pod(name: str, marks: Path) -> pod_pb2.Pod:
    """Return a pod with an init container, two containers, and volumes in memory."""
    pod = make_pod(name)
    pod.spec.volumes.add(name="marks").volume_source.host_path.path = str(marks)
    pod.spec.volumes.add(name="scratch").volume_source.empty_dir.medium = "Memory"
    pod.spec.init_containers.add(name="first", image=IMAGE)
    pod.spec.containers.add(name="side", image=IMAGE)
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        end = (
            "exit 0" if container.name == "first" else TRAP + "while :; do sleep 1 & wait $!; done"
        )
        script = f"echo started >> /marks/{name}-{container.name}; {end}"
        container.command[:] = ["/bin/sh", "-c", script]
        container.volume_mounts.add(name="marks", mount_path="/marks")
        container.volume_mounts.add(name="scratch", mount_path="/scratch", sub_path="inside")
    return pod


@contextlib.contextmanager
def _agent(it: World) -> Iterator[subprocess.Popen[bytes]]:
    program = str(Path(sys.executable).with_name("podraft-agent"))
    with (it.directory / "agent.log").open("ab") as log:
        process = subprocess.Popen([program, *it.words], stdout=log, stderr=log)
    try:
        yield process
    except BaseException:
        print((it.directory / "agent.log").read_text()[-8000:])
        raise
    finally:
        process.kill()
        process.wait()


async def _up(it: World, times: int) -> None:
    """Wait until the agent was up so many times; before that, until its Podman answers."""
    if times == 0:

        async def answers() -> bool:
            return await asyncio.to_thread(podman_service.answers, it.socket)

        await eventually_async(answers, within_s=20)
        return

    def count() -> bool:
        return (it.directory / "agent.log").read_text().count(" is up\n") >= times

    await eventually_async(count, within_s=20)


async def _containers(it: World) -> list[dict[str, Any]]:
    return await asyncio.to_thread(podman_service.listed, it.socket)


async def _only(it: World, names: list[str]) -> bool:
    """Say whether the API and Podman know no other pods."""
    found = {one["Labels"][spec.LABEL_POD_NAME] for one in await _containers(it)}
    with contextlib.suppress(NotFoundError):
        found |= {pod.metadata.name for pod in (await it.client.pods.list("default")).items}
    return found == set(names)


def _make(directory: Path) -> None:
    directory.mkdir()
