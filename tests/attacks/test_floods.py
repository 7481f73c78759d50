"""One node that takes what it can get: the others have theirs all the same."""

import asyncio
import contextlib
import itertools
import time

import grpc
import pytest

from podraft.api import kinds
from podraft.api.core.v1.config_pb2 import ConfigMap
from podraft.api.events.v1.event_pb2 import Event
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.client import Client
from podraft.client.errors import ForbiddenError, OverloadedError
from podraft.server.budgets.budget import LIMITS, Role
from support.attackers import as_identity


def as_client(config, scenario):
    async def main():
        async with Client(config) as client:
            return await scenario(client)

    return asyncio.run(main())


_NUMBERS = itertools.count()


@pytest.fixture
def name():
    return f"flooding-{next(_NUMBERS)}"


@pytest.fixture
def node(server, joined, name):
    return as_identity(server.config(), joined(name))


def channel_of(config):
    credentials = grpc.ssl_channel_credentials(
        config.certificate_authority, config.client_key, config.client_certificate
    )
    options = (
        ("grpc.ssl_target_name_override", "podraft-server"),
        ("grpc.use_local_subchannel_pool", 1),
    )
    return grpc.aio.secure_channel(config.servers[0], credentials, options=options)


def event(name, instance):
    result = Event(reason="Flood", action="Flood", reporting_controller="podraft/agent")
    result.reporting_instance = instance
    result.metadata.name, result.metadata.namespace = name, "default"
    result.regarding.kind, result.regarding.name = "Pod", "a"
    result.regarding.namespace = "default"
    return result


def test_a_node_gets_its_share_of_the_watches_and_others_watch_on(server, node):
    async def flood():
        request = requests_pb2.WatchRequest().SerializeToString()
        async with channel_of(node) as channel:
            method = channel.unary_stream(kinds.SERVICE.method("Watch"))
            watches = [method(request) for _ in range(1_200)]
            firsts = await asyncio.gather(
                *(asyncio.wait_for(watch.read(), 60) for watch in watches), return_exceptions=True
            )
            refused = [each for each in firsts if isinstance(each, grpc.aio.AioRpcError)]
            assert len(refused) == 1_200 - 1_024
            # Who still sends while it is refused may be told by gRPC that it was cancelled.
            told = [each for each in refused if each.code() is grpc.StatusCode.RESOURCE_EXHAUSTED]
            assert len(told) > 100
            assert "at most 1,024 watches" in told[0].details()
            async with Client(server.config()) as admin:
                async with asyncio.timeout(10):
                    assert await anext(aiter(admin.config_maps.watch("default")))
            for watch in watches:
                watch.cancel()

    asyncio.run(flood())


def test_a_node_that_writes_as_fast_as_it_can_is_slowed_down_and_administrators_are_not(
    server, node
):
    async def flood(over):
        calls = 0
        async with channel_of(node) as channel:
            method = channel.unary_unary(kinds.SERVICE.method("List"))
            request = requests_pb2.ListRequest().SerializeToString()

            async def one():
                nonlocal calls
                while not over.is_set():
                    with contextlib.suppress(grpc.aio.AioRpcError):
                        await method(request)
                        calls += 1

            await asyncio.gather(*(one() for _ in range(100)))
        return calls

    async def main():
        began_s, over = time.monotonic(), asyncio.Event()
        flooding = asyncio.create_task(flood(over))
        # A machine that is busy with other tests takes its time, too.
        async with Client(server.config()) as admin, asyncio.timeout(20):
            for number in range(100):
                await admin.config_maps.create(config_map(f"beside-flood-{number}"))
        over.set()
        # Two hundred a second, and twice as many at once at first.
        assert await flooding < 200 * (time.monotonic() - began_s) + 600

    asyncio.run(main())


def config_map(name):
    result = ConfigMap()
    result.metadata.name, result.metadata.namespace = name, "default"
    return result


def test_events_of_a_node_are_bounded(server, node, name):
    async def flood(client):
        written = 0
        for number in range(40):
            with contextlib.suppress(OverloadedError):
                batch = [event(f"flood-{number}-{each}", name) for each in range(100)]
                await client.commit([_create(each) for each in batch], omit_objects=True)
                written += 100
        return written

    from podraft.client.calls.writes import create as _create

    written = as_client(node, flood)
    assert 1_900 <= written <= 2_200
    listed = as_client(server.config(), lambda client: client.events.list("default"))
    assert len([each for each in listed.items if each.reason == "Flood"]) <= 2_300


def test_a_node_writes_no_events_in_the_name_of_others(server, node):
    async def forge(client):
        with pytest.raises(ForbiddenError, match="reportingInstance"):
            await client.events.create(event("forged", "another-node"))

    as_client(node, forge)


def test_calls_of_methods_that_nobody_serves_count_like_others(server, node):
    """Left to gRPC, they would be answered as fast as they come, whoever makes them."""

    async def main():
        async with channel_of(node) as channel:
            unknown = channel.unary_unary("/podraft.api.core.v1.PodService/Nothing")
            codes = []

            async def flood():
                until = time.monotonic() + 3
                while time.monotonic() < until:
                    try:
                        await unknown(b"", timeout=20)
                    except grpc.aio.AioRpcError as error:
                        codes.append(error.code())

            began = time.monotonic()
            await asyncio.gather(*(flood() for _ in range(100)))
            return codes, time.monotonic() - began

    codes, took_s = asyncio.run(main())
    assert set(codes) <= {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.RESOURCE_EXHAUSTED}
    calls = LIMITS[Role.OTHERS].each.calls
    unserved = codes.count(grpc.StatusCode.UNIMPLEMENTED)
    assert calls.burst <= unserved <= calls.burst + calls.per_s * (took_s + 1)
