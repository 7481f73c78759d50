"""A call that is made again with its request id: one effect, the first answer."""

import asyncio

import grpc
import pytest

from local_cluster.server_process import ServerProcess
from podraft.api import kinds
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import config_pb2, pod_pb2, scheduling_pb2
from podraft.api.meta.v1 import meta_pb2, requests_pb2
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig, load
from support.api_objects import example

COMMIT = "/podraft.api.cluster.v1.CommitService/Commit"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as process:
        yield process


class Caller:
    """Calls with whatever id it is told: the SDK would choose one."""

    def __init__(self, config: ClusterConfig) -> None:
        credentials = grpc.ssl_channel_credentials(
            config.certificate_authority, config.client_key, config.client_certificate
        )
        options = (("grpc.ssl_target_name_override", config.server_name),)
        self.channel = grpc.aio.secure_channel(config.servers[0], credentials, options)

    async def __call__(self, method, request):
        return await self.channel.unary_unary(method)(request.SerializeToString())


def on_server(server, scenario):
    async def main():
        caller = Caller(server.config())
        async with Client(server.config()) as client:
            await scenario(client, caller)
        await caller.channel.close()

    asyncio.run(main())


async def revision(client):
    return int((await client.version()).resource_version)


def options(request_id, **others):
    return requests_pb2.WriteOptions(request_id=request_id, **others)


def config_map(name, **data):
    made = config_pb2.ConfigMap(data=data)
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


def create_request(made, request_id):
    return kinds.CONFIG_MAP.create_request(config_map=made, options=options(request_id))


async def code_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code()


def unique(number):
    return b"%016d" % number


def test_every_kind_of_write_takes_effect_once_and_is_answered_as_the_first_time(server):
    async def scenario(client, call):
        kind = kinds.CONFIG_MAP
        calls = [
            (kind.method("Create"), create_request(config_map("life", a="1"), unique(1))),
            (
                kind.method("Update"),
                kind.update_request(
                    config_map=config_map("life", a="2"), options=options(unique(2))
                ),
            ),
            (
                kind.method("Patch"),
                requests_pb2.PatchRequest(
                    namespace="default",
                    name="life",
                    merge_patch=b'{"data": {"b": "3"}}',
                    options=options(unique(3)),
                ),
            ),
            (
                kind.method("Apply"),
                kind.apply_request(
                    config_map=config_map("life", c="4"),
                    options=options(unique(5), field_manager="me"),
                ),
            ),
            (
                kind.method("Delete"),
                requests_pb2.DeleteRequest(
                    namespace="default",
                    name="life",
                    options=requests_pb2.DeleteOptions(request_id=unique(4)),
                ),
            ),
        ]
        answers = []
        for method, request in calls:
            answers.append(await call(method, request))
            before = await revision(client)
            assert await call(method, request) == answers[-1]
            assert await revision(client) == before
        # Long after, everything has changed, and the answers have not.
        await client.config_maps.create(config_map("life", z="9"))
        before = await revision(client)
        for (method, request), answer in zip(calls, answers, strict=True):
            assert await call(method, request) == answer
        assert await revision(client) == before
        assert dict((await client.config_maps.get("life", "default")).data) == {"z": "9"}

    on_server(server, scenario)


def test_repetitions_that_overtake_each_other_take_effect_once(server):
    async def scenario(client, call):
        before = await revision(client)
        request = create_request(config_map("rush"), unique(11))
        method = kinds.CONFIG_MAP.method("Create")
        answers = await asyncio.gather(*(call(method, request) for _ in range(20)))
        assert len(set(answers)) == 1
        assert await revision(client) == before + 1

    on_server(server, scenario)


def test_a_generated_name_is_the_same_in_a_repetition(server):
    async def scenario(client, call):
        made = config_map("")
        made.metadata.generate_name = "generated-"
        request = create_request(made, unique(21))
        method = kinds.CONFIG_MAP.method("Create")
        first = await call(method, request)
        assert await call(method, request) == first
        listed = await client.config_maps.list("default")
        names = [m.metadata.name for m in listed.items if m.metadata.generate_name]
        assert names == [config_pb2.ConfigMap.FromString(first).metadata.name]

    on_server(server, scenario)


def test_a_commit_is_repeated_whole(server):
    async def scenario(client, call):
        await client.config_maps.create(config_map("unwanted"))
        generated = config_map("")
        generated.metadata.generate_name = "several-"
        request = commit_pb2.CommitRequest(
            writes=[
                writes.create(generated),
                writes.create(generated),
                writes.create(config_map("named", a="1")),
                writes.delete(kinds.CONFIG_MAP, "unwanted", "default"),
            ],
            options=options(unique(31)),
        )
        first = await call(COMMIT, request)
        before = await revision(client)
        assert await call(COMMIT, request) == first
        assert await revision(client) == before

    on_server(server, scenario)


def test_a_bind_is_repeated(server):
    async def scenario(client, call):
        pod = example(kinds.POD, "bound")
        made = await client.pods.create(pod)
        request = scheduling_pb2.BindPodRequest(
            namespace="default",
            name="bound",
            uid=made.metadata.uid,
            node_name="node-1",
            record=scheduling_pb2.SchedulingRecord(node_name="node-1"),
            request_id=unique(41),
        )
        method = f"/{kinds.POD.service}/BindPod"
        first = await call(method, request)
        assert pod_pb2.Pod.FromString(first).spec.node_name == "node-1"
        await client.pods.delete("bound", "default", grace_period_seconds=0)
        assert await call(method, request) == first

    on_server(server, scenario)


def test_a_refused_call_may_succeed_later_and_wrong_ids_are_refused(server):
    async def scenario(client, call):
        method = kinds.CONFIG_MAP.method("Create")
        taken = await client.config_maps.create(config_map("taken"))
        request = create_request(config_map("taken", a="1"), unique(51))
        assert await code_of(call(method, request)) is grpc.StatusCode.ALREADY_EXISTS
        await client.config_maps.delete("taken", "default", uid=taken.metadata.uid)
        first = await call(method, request)
        assert await call(method, request) == first
        # Another call under the same id is a client's defect, and nothing happens.
        wrong = create_request(config_map("another"), unique(51))
        assert await code_of(call(method, wrong)) is grpc.StatusCode.INVALID_ARGUMENT
        short = create_request(config_map("short"), b"short")
        assert await code_of(call(method, short)) is grpc.StatusCode.INVALID_ARGUMENT
        listed = await client.config_maps.list("default")
        assert not {"another", "short"} & {m.metadata.name for m in listed.items}

    on_server(server, scenario)


def test_ids_of_different_users_do_not_meet(server):
    async def scenario(client, call):
        method = kinds.LEASE.method("Create")
        lease = kinds.LEASE.message(
            metadata=meta_pb2.ObjectMeta(name="l", namespace="podraft-system")
        )
        request = kinds.LEASE.create_request(lease=lease, options=options(unique(61)))
        first = await call(method, request)
        other = Caller(load(server.data_dir / "scheduler.conf"))
        refusals = (grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.PERMISSION_DENIED)
        assert await code_of(other(method, request)) in refusals
        await other.channel.close()
        assert await call(method, request) == first

    on_server(server, scenario)


def test_a_restarted_server_remembers(server):
    request = create_request(config_map("kept"), unique(71))
    method = kinds.CONFIG_MAP.method("Create")
    answers = []

    async def scenario(client, call):
        answers.append(await call(method, request))

    on_server(server, scenario)
    server.kill()
    server.start()
    on_server(server, scenario)
    server.stop()
    server.start()
    on_server(server, scenario)
    assert len(set(answers)) == 1
