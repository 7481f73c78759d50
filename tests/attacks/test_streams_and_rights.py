"""What is streamed ends with the right to it."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from attacks.conftest import as_client
from local_cluster.server_process import ServerProcess
from podraft.api import kinds
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.core.v1.pod_streams_pb2 import (
    ExecPodRequest,
    ExecStart,
    StreamPodLogsRequest,
)
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError, ForbiddenError, UnauthenticatedError, UnavailableError
from podraft.server.auth.certificates import KeyPair
from podraft.server.auth.identity import MASTERS, Identity
from podraft.server.auth.pki import ensure_pki
from support.api_objects import example
from support.attackers import as_identity, impostor, node_pair
from support.waiting import eventually_async


class Watching:
    """A watch that notes what it is shown, and how it ends."""

    def __init__(self, batches: Any) -> None:
        self.shown: list[str] = []
        self.began = asyncio.Event()
        self.ended: asyncio.Task[ApiError] = asyncio.create_task(self._follow(batches))

    async def _follow(self, batches: Any) -> ApiError:
        try:
            async for batch in batches:
                self.shown += [event.object.metadata.resource_version for event in batch]
                self.began.set()
        except ApiError as error:
            return error
        raise AssertionError("a watch ended without a word")


def user_of(secret: str, node: str, name: str) -> Pod:
    pod: Pod = example(kinds.POD, name)
    pod.spec.node_name = node
    reference = pod.spec.containers[0].env_from.add().secret_ref
    reference.local_object_reference.name = secret
    return pod


async def _end(admin: Client, pod: str) -> None:
    """Remove a pod as when its node has ended it."""
    await admin.pods.delete(pod, "default", grace_period_seconds=0)


def test_a_nodes_watch_of_a_secret_ends_with_the_last_pod_that_names_it(
    server: ServerProcess, joined: Callable[[str], KeyPair]
) -> None:
    node_config = as_identity(server.config(), joined("reading"))

    async def scenario(admin: Client) -> None:
        for name in ("ending", "staying"):
            await admin.secrets.create(example(kinds.SECRET, name))
        for pod in (
            user_of("ending", "reading", "first"),
            user_of("ending", "reading", "second"),
            user_of("staying", "reading", "third"),
        ):
            await admin.pods.create(pod)
        async with Client(node_config) as node:
            ending, staying = (
                Watching(node.secrets.watch("default", field_selector=f"metadata.name={name}"))
                for name in ("ending", "staying")
            )
            async with asyncio.timeout(20):
                await ending.began.wait()
                await staying.began.wait()
                await _end(admin, "first")
                # It still has the right: what is written is shown.
                await _touch(admin, "ending")
                await eventually_async(lambda: len(ending.shown) > 2)
                assert not ending.ended.done()
                await _end(admin, "second")
                error = await ending.ended
            assert isinstance(error, ForbiddenError)
            assert "no pod on node" in error.message
            before = len(ending.shown)
            await _touch(admin, "ending")
            with pytest.raises(ForbiddenError):
                await node.secrets.get("ending", "default")
            await _touch(admin, "staying")
            await eventually_async(lambda: len(staying.shown) > 2)
            assert len(ending.shown) == before
            assert not staying.ended.done()
            staying.ended.cancel()

    as_client(server.config(), scenario)


async def _touch(admin: Client, secret: str) -> None:
    stored = await admin.secrets.get(secret, "default")
    await admin.secrets.patch(
        secret, {"metadata": {"labels": {"at": stored.metadata.resource_version}}}, "default"
    )


def test_a_removed_nodes_watches_end(
    server: ServerProcess, joined: Callable[[str], KeyPair]
) -> None:
    node_config = as_identity(server.config(), joined("leaving"))

    async def scenario(admin: Client) -> None:
        async with Client(node_config) as node:
            await node.nodes.create(example(kinds.NODE, "leaving"))
            watches = [
                Watching(node.services.watch()),
                Watching(node.pods.watch(field_selector="spec.nodeName=leaving")),
            ]
            async with asyncio.timeout(20):
                for watching in watches:
                    await watching.began.wait()
                await admin.nodes.delete("leaving")
                for watching in watches:
                    assert isinstance(await watching.ended, UnauthenticatedError | UnavailableError)

    as_client(server.config(), scenario)


@pytest.mark.parametrize("what", ["logs", "exec"])
def test_what_a_removed_node_streams_ends(
    server: ServerProcess, joined: Callable[[str], KeyPair], what: str
) -> None:
    """Whoever holds a machine that was put out tells nobody anything any more."""
    name = f"telling-{what}"
    pair = joined(name)

    async def scenario(admin: Client) -> None:
        node = await admin.nodes.create(example(kinds.NODE, name))
        node.status.addresses.add(type="InternalIP", address="127.0.0.1")
        node.status.daemon_endpoints.kubelet_endpoint.port = agent.port
        await admin.nodes.update_status(node)
        pod = example(kinds.POD, f"on-{name}")
        pod.spec.node_name = name
        await admin.pods.create(pod)

        async def read() -> None:
            if what == "logs":
                request = StreamPodLogsRequest(namespace="default", name=f"on-{name}", follow=True)
                async for _ in admin.pod_logs(request):
                    pass
            else:
                async for _ in admin.exec_pod(commands()):
                    pass

        async def commands() -> AsyncIterator[ExecPodRequest]:
            start = ExecStart(namespace="default", name=f"on-{name}", command=["sh"])
            yield ExecPodRequest(start=start)
            await asyncio.Event().wait()

        reading = asyncio.create_task(read())
        await eventually_async(lambda: agent.calls)
        assert not reading.done()
        await admin.nodes.delete(name)
        async with asyncio.timeout(20):
            with pytest.raises(UnavailableError, match="was removed"):
                await reading

    authority = server.config().certificate_authority
    with impostor(pair, authority, endless=True) as agent:
        as_client(server.config(), scenario)


@pytest.mark.parametrize("who", ["node", "user"])
def test_a_watch_ends_when_its_certificate_expires(server: ServerProcess, who: str) -> None:
    signer = ensure_pki(server.data_dir / "pki", addresses=()).authority
    lifetime = datetime.timedelta(seconds=4)
    now = datetime.datetime.now(datetime.UTC)
    pair = signer.issue_client(Identity("ann", frozenset({MASTERS})), now, lifetime)
    if who == "node":
        pair = node_pair(signer, "expiring", now, lifetime)

    async def scenario(client: Client) -> None:
        # A key that nobody has entered yet is looked up at the first call.
        await client.nodes.list()
        watching = Watching(client.services.watch())
        async with asyncio.timeout(20):
            error = await watching.ended
        assert isinstance(error, UnauthenticatedError)
        assert "has expired" in error.message
        assert watching.shown

    as_client(as_identity(server.config(), pair), scenario)


def test_a_slow_reader_gets_no_more_when_its_right_has_ended(
    server: ServerProcess, joined: Callable[[str], KeyPair]
) -> None:
    """A stream that waits for its reader ends like one that waits for news."""
    node_config = as_identity(server.config(), joined("slow"))

    async def scenario(admin: Client) -> None:
        secret = example(kinds.SECRET, "large")
        secret.data["x"] = b"x" * 900_000
        await admin.secrets.create(secret)
        await admin.pods.create(user_of("large", "slow", "slow-user"))
        async with Client(node_config) as node:
            batches = node.secrets.watch("default", field_selector="metadata.name=large")
            await anext(aiter(batches))
            for _ in range(20):
                await _touch(admin, "large")
            await _end(admin, "slow-user")
            await _touch(admin, "large")
            last = (await admin.secrets.get("large", "default")).metadata.resource_version
            seen: list[str] = []
            with pytest.raises(ForbiddenError):
                async for batch in batches:
                    seen += [event.object.metadata.resource_version for event in batch]
            assert last not in seen

    as_client(server.config(), scenario)
