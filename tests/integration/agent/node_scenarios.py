"""The node itself: falling silent and coming back, joining, renewing, leaving."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from integration.agent.agent_world import (
    NODE,
    World,
    assign_pod_addresses,
    clean_up,
    leftovers,
    make_pod,
)
from podraft.agent.node.join import IdentityStore, JoinError
from podraft.agent.volumes.mounts import mounted_below
from podraft.api import kinds
from podraft.api.core.v1 import node_pb2
from podraft.client.errors import ApiError, NotFoundError
from podraft.server.controllers import app as controllers
from podraft.server.controllers.core.controller import ControllerOptions
from support.waiting import eventually, eventually_async

WORLDS: dict[str, dict[str, Any]] = {
    "node_deleted": {"assign_addresses": False},
    "silence": {"assign_addresses": False},
    "joins_and_renews": {"join": True},
}


async def silence(it: World) -> None:
    """The node controller writes Unknown in a silence; the agent ends that by itself."""
    async with _controllers(it):
        await _until_ready(it, "True")
        await it.create(make_pod("web"))
        await it.running("web")
        await it.told(NODE, "NodeReady", kind="Node")
        await it.stop_agent()
        await _until_ready(it, "Unknown")
        await it.start_agent()
        await _until_ready(it, "True")
        await eventually_async(lambda: _untainted(it))
    # What somebody writes while the agent lives is answered at once, not at the next check.
    node = await it.client.nodes.get(NODE)
    for condition in node.status.conditions:
        condition.status = "Unknown"
    before_s = time.monotonic()
    written = await it.client.nodes.update_status(node)
    await _until_ready(it, "True")
    assert time.monotonic() - before_s < 3
    assert written.metadata.uid == node.metadata.uid
    # Nor does the server's death change that.
    it.api.kill()
    it.api.start()
    node = await _answered(it)
    for condition in node.status.conditions:
        condition.status = "Unknown"
    await it.client.nodes.update_status(node)
    await _until_ready(it, "True")
    await it.running("web")


async def node_deleted(it: World) -> None:
    """A Node that is deleted under a living agent ends its pods; a token lets it come back."""
    async with _controllers(it):
        await _until_ready(it, "True")
        before = await it.client.nodes.get(NODE)
        await it.create(make_pod("old"))
        await it.running("old")
        await it.client.nodes.delete(NODE)
        # Another node has the first addresses when this one comes back: it gets others.
        other = node_pb2.Node()
        other.metadata.name = "other"
        other.spec.pod_cidr = before.spec.pod_cidr
        other.spec.pod_cidrs.append(before.spec.pod_cidr)
        await it.client.nodes.create(other)
        error = await it.agents_end()
        assert isinstance(error, JoinError)
        assert "was removed from the cluster" in str(error)
        assert not leftovers(it)
        await eventually_async(lambda: _gone(it, "old"))
        # Starting it again changes nothing without a token.
        await it.start_agent(wait=False)
        assert "was removed from the cluster" in str(await it.agents_end())
        token = await it.client.create_join_token(600)
        it.use(f"--join-server=127.0.0.1:{it.api.join_port}", f"--join-token={token.token}")
        await it.start_agent()
        await _until_ready(it, "True")
        after = await it.client.nodes.get(NODE)
        assert after.metadata.uid != before.metadata.uid

        async def addressed() -> str:
            return (await it.client.nodes.get(NODE)).spec.pod_cidr

        assert await eventually_async(addressed) != before.spec.pod_cidr
        await it.create(make_pod("new"))
        pod = await it.running("new")
        network = IPv4Network(await addressed())
        assert IPv4Address(pod.status.pod_ip) in network
        await it.client.nodes.delete("other")


async def joins_and_renews(it: World) -> None:
    """A node that joined by a token works; so it does after its certificate was renewed."""
    store = IdentityStore(it.state)
    joined = store.load()
    assert joined is not None
    assert joined.node_name == NODE
    await it.create(make_pod("web"))
    before = await it.running("web")
    await it.stop_agent()
    short = it.sign(timedelta(seconds=60))
    await it.start_agent()

    def renewed() -> bool:
        identity = store.load()
        return identity is not None and identity.certificate != short

    await eventually_async(renewed)
    identity = store.load()
    assert identity is not None
    assert identity.key == joined.key
    assert identity.renew_at_s > time.time() + 24 * 3600
    await it.create(make_pod("after"))
    await it.running("after")
    after = await it.running("web")
    assert after.status.container_statuses[0].container_id == (
        before.status.container_statuses[0].container_id
    )


async def cleans_up(it: World) -> None:
    """Cleanup refuses under a running agent; after it nothing is left, and again is fine."""
    pod = make_pod("web")
    pod.spec.volumes.add(name="scratch").volume_source.empty_dir.medium = "Memory"
    pod.spec.containers[0].volume_mounts.add(name="scratch", mount_path="/scratch")
    created = await it.create(pod)
    await it.running("web")
    refused = await clean_up(it)
    assert refused.returncode == 1
    [line] = refused.stderr.strip().splitlines()
    assert "an agent is running on" in line
    assert (await it.running("web")).metadata.uid == created.metadata.uid
    await it.stop_agent()
    for _ in range(2):
        done = await clean_up(it)
        assert done.returncode == 0, done.stderr
        assert not it.state.exists()
        assert mounted_below(it.state) == []
        assert _cgroups(created.metadata.uid) == []
        assert _printed("ip", "route", "show", "proto", "112") == ""
        assert "podraft" not in _printed("nft", "list", "tables")
        eventually(lambda: "pr" not in _links())
    await it.client.pods.delete("web", "default", grace_period_seconds=0)
    # Its key is gone with the rest: the machine joins as a new one.
    await it.client.nodes.delete(NODE)
    token = await it.client.create_join_token(600)
    it.use(f"--join-server=127.0.0.1:{it.api.join_port}", f"--join-token={token.token}")
    await it.start_agent()
    await assign_pod_addresses(it.client)
    it.import_image()
    await it.create(make_pod("again"))
    await it.running("again")


# What the scenarios share.


@contextlib.asynccontextmanager
async def _controllers(it: World) -> AsyncIterator[None]:
    """Run the real controllers, with little patience."""
    options = ControllerOptions(node_grace_s=4.0)  # An agent renews its lease every 3 s.
    config = it.api.config("controllers")
    task = asyncio.create_task(controllers.run(config, kinds.BUILT_IN, options))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until_ready(it: World, status: str) -> None:
    async def holds() -> bool:
        conditions = (await _answered(it)).status.conditions
        return any(c.type == "Ready" and c.status == status for c in conditions)

    await eventually_async(holds, within_s=15)


async def _gone(it: World, name: str) -> bool:
    try:
        await it.pod(name)
    except NotFoundError:
        return True
    return False


async def _untainted(it: World) -> bool:
    return not (await it.client.nodes.get(NODE)).spec.taints


async def _answered(it: World) -> node_pb2.Node:
    async def ask() -> node_pb2.Node | None:
        try:
            return await it.client.nodes.get(NODE)
        except ApiError:
            return None

    found = await eventually_async(ask)
    assert found is not None
    return found


def _printed(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _cgroups(pod_uid: str) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"*/podraft/pod-{pod_uid}"))


def _links() -> set[str]:
    lines = _printed("ip", "-brief", "link").splitlines()
    return {line[:2] for line in lines}
