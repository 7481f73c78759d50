"""``podraft-server`` as a process: who gets an answer, what a crash loses, how it refuses."""

import asyncio
import dataclasses
import datetime
import random
import socket
import ssl
import stat
import subprocess
import sys
import time
import urllib.request

import grpc
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from local_cluster.server_process import running
from podraft.api import kinds
from podraft.api.cluster.v1 import cluster_pb2
from podraft.api.core.v1.pod_streams_pb2 import StreamPodLogsRequest
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig, load
from podraft.client.errors import (
    ApiError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from podraft.server.auth.identity import node_identity
from podraft.server.auth.pki import ensure_pki
from podraft.server.auth.signing_requests import new_request
from podraft.server.rpc.serving import ServingCertificate
from support.api_objects import example
from support.waiting import eventually


@pytest.fixture(scope="module")
def server():
    with running() as process:
        yield process


def as_client(config, scenario):
    async def main():
        async with Client(config) as client:
            return await scenario(client)

    return asyncio.run(main())


def join(server, token, node_name, config, request=None):
    request = request or new_request(ec.generate_private_key(ec.SECP256R1()))
    credentials = grpc.ssl_channel_credentials(config.certificate_authority)
    options = (("grpc.ssl_target_name_override", "podraft-server"),)
    with grpc.secure_channel(f"127.0.0.1:{server.join_port}", credentials, options) as channel:
        call = channel.unary_unary(
            "/podraft.api.cluster.v1.JoinService/JoinNode",
            cluster_pb2.JoinNodeRequest.SerializeToString,
            cluster_pb2.Certificate.FromString,
        )
        return call(
            cluster_pb2.JoinNodeRequest(
                token=token, node_name=node_name, certificate_signing_request=request
            ),
            timeout=10,
        )


def test_without_a_certificate_of_the_cluster_there_is_no_answer(server):
    config = server.config()
    credentials = grpc.ssl_channel_credentials(config.certificate_authority)
    options = (("grpc.ssl_target_name_override", "podraft-server"),)
    with grpc.secure_channel(config.servers[0], credentials, options) as channel:
        call = channel.unary_unary("/podraft.api.cluster.v1.ClusterService/GetVersion")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", timeout=5)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    with grpc.insecure_channel(config.servers[0]) as channel:
        call = channel.unary_unary("/podraft.api.cluster.v1.ClusterService/GetVersion")
        with pytest.raises(grpc.RpcError):
            call(b"", timeout=5)


def test_another_clusters_certificate_is_worth_nothing(server, tmp_path):
    foreign = ensure_pki(tmp_path / "pki", addresses=())
    config = server.config()
    stranger = ClusterConfig(
        servers=config.servers,
        certificate_authority=config.certificate_authority,
        client_certificate=foreign.clients["admin"].certificate,
        client_key=foreign.clients["admin"].key,
    )
    with pytest.raises(UnavailableError, match="may have refused the client certificate"):
        as_client(stranger, lambda client: client.pods.get("x", "default"))
    misled = dataclasses.replace(config, certificate_authority=foreign.certificate_authority)
    with pytest.raises(UnavailableError, match="not signed by the authority in the config"):
        as_client(misled, lambda client: client.pods.get("x", "default"))


def test_a_component_may_do_its_work_only(server):
    async def scenario(client):
        await client.pods.list()
        for call in (
            client.secrets.list(),
            client.pods.create(example(kinds.POD, "x")),
            client.create_join_token(600),
            anext(aiter(client.secrets.watch())),
        ):
            with pytest.raises(ForbiddenError, match="system:scheduler"):
                await call

    as_client(server.config("scheduler"), scenario)


def test_a_machine_joins_with_a_token_and_renews_itself(server):
    config = server.config()
    token = as_client(config, lambda client: client.create_join_token(600)).token
    key = ec.generate_private_key(ec.SECP256R1())
    request = new_request(key)
    answer = join(server, token, "machine-1", config, request)
    assert answer.certificate_authority == config.certificate_authority
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    node = ClusterConfig(config.servers, config.certificate_authority, answer.certificate, pem)

    async def scenario(client):
        created = await client.nodes.create(example(kinds.NODE, "machine-1"))
        assert created.metadata.name == "machine-1"
        with pytest.raises(ForbiddenError):
            await client.nodes.create(example(kinds.NODE, "machine-2"))
        with pytest.raises(ForbiddenError):
            await client.secrets.get("any", "default")
        renewed = await client.renew_certificate(request)
        assert renewed.certificate.startswith(b"-----BEGIN CERTIFICATE")
        with pytest.raises(InvalidError):
            await client.renew_certificate(b"nonsense")

    as_client(node, scenario)


def test_a_token_does_not_take_the_place_of_a_node(server):
    config = server.config()

    def token():
        return as_client(config, lambda client: client.create_join_token(600)).token

    as_client(config, lambda client: client.nodes.create(example(kinds.NODE, "living")))
    with pytest.raises(grpc.RpcError, match='there is a node "living" already') as refused:
        join(server, token(), "living", config)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    as_client(config, lambda client: client.nodes.delete("living"))
    assert join(server, token(), "living", config).certificate


def test_the_servers_certificate_is_renewed_while_it_runs(tmp_path):
    pki = ensure_pki(tmp_path / "pki", addresses=())
    admin = pki.clients["admin"]

    async def shown(port):
        context = ssl.create_default_context(cadata=pki.certificate_authority.decode())
        for name, content in (("cert", admin.certificate), ("key", admin.key)):
            (tmp_path / name).write_bytes(content)
        context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="podraft-server"
        )
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return x509.load_der_x509_certificate(der).serial_number

    async def main():
        serving = ServingCertificate(pki)
        api = grpc.aio.server()
        port = api.add_secure_port("127.0.0.1:0", serving.credentials())
        await api.start()
        first = await shown(port)
        assert await shown(port) == first
        pair = pki.authority.issue_server(("podraft-server",), datetime.datetime.now(datetime.UTC))
        serving.use(dataclasses.replace(pki, server=pair))
        expected = x509.load_pem_x509_certificate(pair.certificate).serial_number
        assert await shown(port) == expected != first
        await api.stop(0)

    asyncio.run(main())


def test_a_node_reads_the_secrets_of_its_own_pods_only(server):
    pki = ensure_pki(server.data_dir / "pki", addresses=())
    config = server.config()
    pair = pki.authority.issue_client(node_identity("reader"), datetime.datetime.now(datetime.UTC))
    node = ClusterConfig(config.servers, config.certificate_authority, pair.certificate, pair.key)

    async def prepare(client):
        for name in ("used", "other"):
            await client.secrets.create(example(kinds.SECRET, name))
        pod = example(kinds.POD, "user")
        pod.spec.node_name = "reader"
        reference = pod.spec.containers[0].env_from.add().secret_ref
        reference.local_object_reference.name = "used"
        await client.pods.create(pod)

    as_client(config, prepare)

    async def read(client):
        (pod,) = (await client.pods.list(field_selector="spec.nodeName=reader")).items
        assert pod.metadata.name == "user"
        assert (await client.secrets.get("used", "default")).data
        with pytest.raises(ForbiddenError):
            await client.secrets.get("other", "default")
        with pytest.raises(ForbiddenError):
            await client.pods.list()

    as_client(node, read)


@pytest.mark.parametrize("token", ["", "nonsense", "podraft1." + "0" * 12 + "." + "0" * 40])
def test_nobody_joins_without_a_valid_token(server, token):
    with pytest.raises(grpc.RpcError) as refused:
        join(server, token, "machine-9", server.config())
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_join_port_serves_nothing_else(server):
    config = server.config()
    credentials = grpc.ssl_channel_credentials(config.certificate_authority)
    options = (("grpc.ssl_target_name_override", "podraft-server"),)
    with grpc.secure_channel(f"127.0.0.1:{server.join_port}", credentials, options) as channel:
        call = channel.unary_unary(kinds.POD.method("List"))
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", timeout=5)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_logs_and_exec_say_what_prevents_them(server):
    async def scenario(client):
        async def logs(name, container=""):
            request = StreamPodLogsRequest(namespace="default", name=name, container=container)
            async for _ in client.pod_logs(request):
                pass

        await client.pods.create(example(kinds.POD, "unplaced"))
        placed = example(kinds.POD, "placed")
        placed.spec.node_name = "unreachable"
        await client.pods.create(placed)
        with pytest.raises(NotFoundError, match="absent"):
            await logs("absent")
        with pytest.raises(NotFoundError, match="it has: main"):
            await logs("placed", "sidecar")
        with pytest.raises(ApiError, match="not on a node yet"):
            await logs("unplaced")
        with pytest.raises(UnavailableError, match="does not exist"):
            await logs("placed")
        node = await client.nodes.create(example(kinds.NODE, "unreachable"))
        with pytest.raises(UnavailableError, match="has not said"):
            await logs("placed")
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        node.status.addresses.add(type="InternalIP", address="127.0.0.1")
        node.status.daemon_endpoints.kubelet_endpoint.port = port
        await client.nodes.update_status(node)
        with pytest.raises(UnavailableError, match="cannot be reached"):
            await logs("placed")

    as_client(server.config(), scenario)


def test_no_acknowledged_write_is_lost_by_kill():
    """Writers run, the server is killed at random moments; what was acknowledged is there."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    acknowledged = {}

    async def write(client, prefix, stop):
        number = 0
        while not stop.is_set():
            name = f"{prefix}-{number}"
            number += 1
            try:
                created = await client.config_maps.create(example(kinds.CONFIG_MAP, name))
            except UnavailableError:
                await asyncio.sleep(0.01)  # The outcome is unknown: nothing was promised.
            else:
                acknowledged[name] = created

    async def write_until_killed(process, round_):
        async with Client(process.config()) as client:
            stop = asyncio.Event()
            writers = [
                asyncio.create_task(write(client, f"r{round_}-w{n}", stop)) for n in range(8)
            ]
            await asyncio.sleep(chance.uniform(0.1, 0.4))
            process.kill()
            stop.set()
            await asyncio.gather(*writers)

    async def check(process):
        async with Client(process.config()) as client:
            listed = await client.config_maps.list("default")
            found = {item.metadata.name: item for item in listed.items}
            assert [name for name in acknowledged if found.get(name) != acknowledged[name]] == []
            revisions = [int(item.metadata.resource_version) for item in listed.items]
            assert len(revisions) == len(set(revisions))

    with running() as process:
        for round_ in range(5):
            before = len(acknowledged)
            asyncio.run(write_until_killed(process, round_))
            assert len(acknowledged) > before
            process.start()
            asyncio.run(check(process))


def run_server(*arguments):
    command = [sys.executable, "-m", "podraft.server.app", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--listen=nowhere"], 2, "expected HOST:PORT"),
        (["--components=api,cook"], 2, "'cook'"),
        (["--components=scheduler"], 2, "--config is required"),
        (["--service-cidr=10.0.0.0/99"], 2, "10.0.0.0/99"),
        (["--node-port-range=9-1"], 2, "9-1"),
        (["--data-dir=/proc/podraft", "--components=api"], 1, "/proc/podraft"),
        (["--components=scheduler", "--config=/nonexistent"], 1, "/nonexistent"),
    ],
)
def test_a_bad_start_is_one_precise_line(arguments, status, text):
    result = run_server(*arguments)
    assert result.returncode == status
    assert text in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_locked_directory_and_a_taken_port_are_named(server, tmp_path):
    locked = run_server(
        f"--data-dir={server.data_dir}", "--listen=127.0.0.1:0", "--join-listen=127.0.0.1:0"
    )
    assert locked.returncode == 1
    assert len(locked.stderr.splitlines()) == 1
    taken = run_server(
        f"--data-dir={tmp_path}", f"--listen=127.0.0.1:{server.port}", "--join-listen=127.0.0.1:0"
    )
    assert taken.returncode == 1
    assert f"127.0.0.1:{server.port}" in taken.stderr
    assert len(taken.stderr.splitlines()) == 1


def test_a_damaged_store_is_one_precise_line(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "history.lmdb").write_bytes(b"no history" * 1000)
    result = run_server(
        f"--data-dir={tmp_path}", "--listen=127.0.0.1:0", "--join-listen=127.0.0.1:0"
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "history.lmdb" in line


def test_health_and_reflection_answer_on_the_api_port(server):
    config = server.config()
    credentials = grpc.ssl_channel_credentials(
        config.certificate_authority, config.client_key, config.client_certificate
    )
    options = (("grpc.ssl_target_name_override", "podraft-server"),)
    with grpc.secure_channel(config.servers[0], credentials, options) as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=5
        )
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        ask = reflection_pb2.ServerReflectionRequest(list_services="")
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(iter([ask]), timeout=5)
        services = {service.name for service in answer.list_services_response.service}
        assert services >= {kind.service for kind in kinds.BUILT_IN}


def test_a_start_writes_what_admins_and_machines_need(tmp_path):
    arguments = [
        f"--join-token-file={tmp_path / 'token'}",
        f"--admin-config={tmp_path / 'admin' / 'config'}",
        "--advertise-address=localhost",
    ]
    with running(arguments) as process:
        for name in ("token", "admin/config"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        config = load(tmp_path / "admin" / "config")
        assert config.servers == (f"localhost:{process.port}",)
        version = as_client(config, lambda client: client.version())
        assert version.cluster_id
        token = (tmp_path / "token").read_text().strip()
        assert join(process, token, "machine-7", config).certificate


def test_metrics_count_calls():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running([f"--metrics-listen=127.0.0.1:{port}"]) as process:
        as_client(process.config(), lambda client: client.pods.list())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
            text = response.read().decode()
    method = kinds.POD.method("List")
    assert f'podraft_api_calls_total{{code="OK",method="{method}"}} 1.0' in text


def test_sigterm_ends_watches_and_the_process_in_time():
    with running() as process:

        async def scenario():
            async with Client(process.config()) as client:
                watch = aiter(client.pods.watch())
                await anext(watch)
                ended = asyncio.ensure_future(anext(watch))
                started_s = time.monotonic()
                status = await asyncio.to_thread(process.stop)
                assert status == 0
                assert time.monotonic() - started_s < 8
                with pytest.raises(UnavailableError):
                    await ended

        asyncio.run(scenario())


def test_children_run_with_the_server_and_die_with_it():
    with running(components="all") as process:
        parent = psutil.Process(process.process.pid)
        children = eventually(lambda: len(parent.children()) == 2 and parent.children())
        children[0].kill()
        eventually(
            lambda: len(parent.children()) == 2 and children[0] not in parent.children(),
            within_s=20,
        )
        children = parent.children()
        process.kill()
        eventually(lambda: not any(child.is_running() for child in children))
