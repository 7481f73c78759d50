"""Nobody is taken for a server, a member or another node, whatever he is called."""

from __future__ import annotations

import asyncio
import datetime
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from attacks.conftest import as_client
from local_cluster.server_process import ServerProcess, running
from podraft.agent.node import join as agent_join
from podraft.agent.node.join import IdentityStore, JoinError
from podraft.agent.streams.service import NodeAgentService, make_server
from podraft.api import kinds
from podraft.api.core.v1.pod_streams_pb2 import ExecPodRequest, StreamPodLogsRequest
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig, dump, load
from podraft.client.errors import ApiError, ForbiddenError, UnavailableError
from podraft.internal.raft.v1 import members_pb2
from podraft.server.auth.certificates import (
    CertificateAuthority,
    KeyPair,
    member_server_name,
    node_server_name,
)
from podraft.server.auth.identity import ADMIN, API_SERVER, MASTERS, Identity, Role
from podraft.server.auth.issuer import encoded_key
from podraft.server.auth.lifetimes import NODE_LIFETIME
from podraft.server.auth.pki import ensure_pki
from support.api_objects import example
from support.attackers import (
    as_identity,
    code_of,
    impostor,
    new_key,
    node_pair,
    older_authority,
    older_node_pair,
    older_pair,
)
from support.raft_cluster import free_ports
from support.waiting import eventually

HOST = socket.gethostname()
# What names the API server, in any way that a request could try to ask for it.
SERVERS_NAMES = [
    "podraft-server",
    "localhost",
    "127.0.0.1",
    "10.0.0.1",
    HOST.lower(),
    "api",
    "xn--podraft-server-9x",
]
# And what no node may be called at all.
NO_NAMES = [
    "api._servers.podraft",
    "*",
    "*.podraft",
    "*._servers.podraft",
    "PODRAFT-SERVER",
    "Localhost",
    "podraft-server.",
    "localhost.",
    "::1",
    "[::1]",
    "0x7f.1/8",
    "podraft\u2010server",
    "\u0440odraft-server",
    "podraft-server\x00.evil",
    "podraft-server,localhost",
    "podraft-server\n",
    " localhost",
    "n1/CN=system:apiserver",
    "",
]


@pytest.mark.parametrize("name", SERVERS_NAMES)
def test_a_node_with_a_servers_name_is_no_server_to_anybody(
    server: ServerProcess, joined: Callable[[str], KeyPair], tmp_path: Path, name: str
) -> None:
    config = server.config()
    pair = joined(name)
    names = _dns_names(pair.certificate)
    assert names
    assert all("_" in held for held in names), "a name that a host or an address could have"
    _is_no_server(pair, config, tmp_path)


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_nodes_name_gets_no_certificate(
    server: ServerProcess, joined: Callable[[str], KeyPair], name: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        joined(name)
    assert code_of(refused.value) is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("name", ["podraft-server", "localhost", "127.0.0.1", HOST.lower()])
def test_a_node_of_the_time_before_roles_is_no_server_either(tmp_path: Path, name: str) -> None:
    authority = older_authority()
    admin = older_pair(authority, Identity(ADMIN, frozenset({MASTERS})))
    config = ClusterConfig(
        ("127.0.0.1:1",), authority.certificate, admin.certificate, admin.key, server_name="x"
    )
    path = tmp_path / "admin.conf"
    # As it was written then, and copied to a user's machine.
    path.write_text(dump(replace(config, server_name="podraft-server")))
    _is_no_server(older_node_pair(authority, name), load(path), tmp_path)


def _is_no_server(pair: KeyPair, config: ClusterConfig, directory: Path) -> None:
    """Let clients and agents meet a server that shows ``pair``: nobody tells it anything."""
    authority = config.certificate_authority
    token = f"podraft1.{'0' * 12}.{'1' * 40}.{_fingerprint(authority)}"
    with impostor(pair, authority) as fake:
        misled = replace(config, servers=(fake.address,))
        with pytest.raises(UnavailableError):
            as_client(misled, lambda client: client.secrets.list())
        store = IdentityStore(directory / "agent")
        with pytest.raises(JoinError):
            asyncio.run(agent_join.join(store, fake.address, token, "n1"))
        assert fake.calls == [], "somebody has spoken to the impostor"


@pytest.mark.parametrize("kind", ["now", "older"])
def test_a_server_shows_its_token_to_no_node(tmp_path: Path, kind: str) -> None:
    """Whoever could forward a member's token would get the cluster's key for it."""
    authority = CertificateAuthority.create(_now()) if kind == "now" else older_authority()
    make = node_pair if kind == "now" else older_node_pair
    token = f"podraft1m.{'0' * 12}.{'1' * 40}.{authority.fingerprint}"
    with impostor(make(authority, "podraft-server"), authority.certificate) as fake:
        words = (
            f"--data-dir={tmp_path}",
            f"--join={fake.address}",
            f"--token={token}",
            "--member-name=m2",
        )
        command = [sys.executable, "-m", "podraft.server.app", *words]
        log = tmp_path / "log"
        with log.open("w") as file, subprocess.Popen(command, stderr=file) as joining:
            eventually(lambda: "cannot answer yet" in log.read_text(), within_s=60)
            joining.terminate()
        assert "Traceback" not in log.read_text()
        assert fake.calls == []


@pytest.fixture(scope="module")
def member() -> Iterator[tuple[ServerProcess, int]]:
    """The first member of a group, and the port for the others."""
    (port,) = free_ports(1)
    words = ("--member-name=m1", f"--member-address=127.0.0.1:{port}")
    with running(words) as process:
        yield process, port


def test_only_members_are_heard_on_the_members_port(member: tuple[ServerProcess, int]) -> None:
    process, port = member
    pki = ensure_pki(process.data_dir / "pki", addresses=())
    authority = pki.authority
    probe = members_pb2.ProbeRequest().SerializeToString()

    def answer(pair: KeyPair | None) -> grpc.StatusCode:
        return _call(
            f"127.0.0.1:{port}",
            authority.certificate,
            member_server_name("m1"),
            "/podraft.internal.raft.v1.MemberService/Probe",
            probe,
            pair,
        )

    # What it says to a member that it does not know shows that it listens.
    assert answer(authority.issue_member("m2", _now())) is grpc.StatusCode.PERMISSION_DENIED
    stolen = [None, node_pair(authority, "m1"), node_pair(authority, "m2")]
    for pair in (*stolen, pki.clients["admin"], pki.clients["controllers"]):
        assert answer(pair) is grpc.StatusCode.UNAVAILABLE, "the handshake succeeded"
    assert answer(pki.clients["apiserver"]) is grpc.StatusCode.PERMISSION_DENIED


def test_an_agent_answers_api_servers_only(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(_now())
    own = node_pair(authority, "n1")
    api_server = authority.issue_client(Identity(API_SERVER, frozenset({MASTERS})), _now())
    admin = Identity(ADMIN, frozenset({MASTERS}))
    callers = {
        "api": (api_server, grpc.StatusCode.INVALID_ARGUMENT),
        "admin": (authority.issue_client(admin, _now()), grpc.StatusCode.UNAVAILABLE),
        "node": (node_pair(authority, "n2"), grpc.StatusCode.UNAVAILABLE),
        "itself": (own, grpc.StatusCode.UNAVAILABLE),
        "member": (authority.issue_member("m1", _now()), grpc.StatusCode.PERMISSION_DENIED),
        "older admin": (older_pair(authority, admin), grpc.StatusCode.PERMISSION_DENIED),
        "nobody": (None, grpc.StatusCode.UNAVAILABLE),
    }

    async def main() -> None:
        service = NodeAgentService(None)  # type: ignore[arg-type]  # no call gets so far
        (port,) = free_ports(1)
        server = make_server(
            service, own.certificate, own.key, authority.certificate, f"127.0.0.1:{port}"
        )
        await server.start()
        for who, (pair, expected) in callers.items():
            got = await asyncio.to_thread(
                _call,
                f"127.0.0.1:{port}",
                authority.node_trust,
                node_server_name("n1"),
                "/podraft.internal.node.v1.NodeAgentService/Exec",
                ExecPodRequest(stdin=b"x").SerializeToString(),
                pair,
            )
            assert got is expected, who
        await server.stop(0)

    asyncio.run(main())


def _call(
    address: str, trusted: bytes, name: str, method: str, request: bytes, pair: KeyPair | None
) -> grpc.StatusCode:
    """Return how a call ends that is never answered."""
    credentials = grpc.ssl_channel_credentials(
        trusted, pair.key if pair else None, pair.certificate if pair else None
    )
    options = (("grpc.ssl_target_name_override", name),)
    with grpc.secure_channel(address, credentials, options) as channel:
        call: Any = channel.stream_stream(method)
        with pytest.raises(grpc.RpcError) as refused:
            list(call(iter((request,)), timeout=10))
    return code_of(refused.value)


@pytest.mark.parametrize(
    "listening", ["another node", "an API server", "a member", "an older node"]
)
def test_the_api_reaches_a_pod_at_its_own_node_only(server: ServerProcess, listening: str) -> None:
    authority = ensure_pki(server.data_dir / "pki", addresses=()).authority
    pairs = {
        "another node": node_pair(authority, "other"),
        "an API server": authority.issue_server(
            (node_server_name("victim-an-api-server"),), _now()
        ),
        "a member": authority.issue_member("victim-a-member", _now()),
        "an older node": older_node_pair(authority, "victim-an-older-node"),
    }
    name = listening.replace(" ", "-").lower()

    with impostor(pairs[listening], authority.certificate) as fake:
        as_client(server.config(), partial(_ask_impostor, f"victim-{name}", fake.port))
        assert fake.calls == []


def test_no_node_can_be_called_as_the_api_calls_another(
    server: ServerProcess, joined: Callable[[str], KeyPair]
) -> None:
    """A name that is made of another node's key and name is no name, or not what is dialled."""
    authority = ensure_pki(server.data_dir / "pki", addresses=()).authority
    certificate = x509.load_pem_x509_certificate(joined("vk1").certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    dialled = names.get_values_for_type(x509.DNSName)
    for name in {each.removesuffix("._nodes.podraft") for each in dialled} - {"vk1"}:
        try:
            pair = joined(name)
        except grpc.RpcError as error:
            assert code_of(error) is grpc.StatusCode.INVALID_ARGUMENT
            continue
        with impostor(pair, authority.certificate) as fake:
            as_client(server.config(), partial(_ask_impostor, "vk1", fake.port))
            assert fake.calls == []


async def _ask_impostor(node_name: str, port: int, client: Client) -> None:
    await client.nodes.create(example(kinds.NODE, node_name))
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await _read_logs(node_name, port, client)


@pytest.mark.parametrize(
    "identity",
    [
        Identity(ADMIN, frozenset({MASTERS})),
        Identity(API_SERVER, frozenset({MASTERS})),
        Identity("system:node:n1", frozenset({"system:nodes", MASTERS})),
        Identity("system:node:n1", frozenset()),
        Identity("system:controllers", frozenset({"system:controllers"})),
        Identity("system:member:m1", frozenset({"system:members"})),
    ],
)
def test_the_nodes_authority_makes_nothing_but_nodes(
    server: ServerProcess, identity: Identity
) -> None:
    """Even who could choose the subject of a node's certificate would gain nothing."""
    authority = ensure_pki(server.data_dir / "pki", addresses=()).authority
    key = new_key()
    signed = authority.issuer(Role.NODE).sign(
        identity, key.public_key(), _now(), NODE_LIFETIME, serves=(), is_client=True
    )
    caller = as_identity(server.config(), KeyPair(signed, encoded_key(key)))
    with pytest.raises(ApiError) as refused:
        as_client(caller, lambda client: client.version())
    assert refused.value.code is grpc.StatusCode.UNAUTHENTICATED


def test_a_cluster_from_before_roles_goes_on(tmp_path: Path) -> None:
    """Its authority, a copied configuration, a node's certificate: all of them as they were."""
    authority = older_authority()
    pair = authority.key_pair
    data = tmp_path / "data"
    (data / "pki").mkdir(parents=True, mode=0o700)
    (data / "pki" / "ca.pem").write_bytes(pair.certificate + pair.key)
    admin = older_pair(authority, Identity(ADMIN, frozenset({MASTERS})))
    (data / "pki" / "admin.pem").write_bytes(admin.certificate + admin.key)
    older = older_pair(
        authority, Identity("podraft-server", frozenset()), ("podraft-server",), is_client=False
    )
    (data / "pki" / "server.pem").write_bytes(older.certificate + older.key)
    with ServerProcess(data) as process:
        copied = tmp_path / "copied.conf"
        written = replace(as_identity(process.config(), admin), server_name="podraft-server")
        copied.write_text(dump(written))
        as_client(load(copied), lambda client: client.nodes.create(example(kinds.NODE, "n1")))
        # A client of that time checks the server by the name of that time.
        assert _call_as_then(process, admin) == b""
        node = as_identity(process.config(), older_node_pair(authority, "n1"))
        listed = as_client(node, lambda client: client.nodes.list())
        assert [each.metadata.name for each in listed.items] == ["n1"]
        with pytest.raises(ForbiddenError):
            as_client(node, lambda client: client.secrets.list())
        # Its agent is reached by the certificate that it has, until it has exchanged that.
        held = KeyPair(node.client_certificate, node.client_key)
        with impostor(held, authority.certificate) as agent:
            as_client(process.config(), partial(_read_logs, "n1", agent.port))
            assert [method.rpartition("/")[2] for method, _ in agent.calls] == ["StreamLogs"]


async def _read_logs(node_name: str, port: int, client: Client) -> None:
    """Let the API ask the agent of a node, at a port of this machine, for a pod's logs."""
    node = await client.nodes.get(node_name)
    node.status.addresses.add(type="InternalIP", address="127.0.0.1")
    node.status.daemon_endpoints.kubelet_endpoint.port = port
    await client.nodes.update_status(node)
    pod = example(kinds.POD, f"on-{node_name}")
    pod.spec.node_name = node_name
    await client.pods.create(pod)
    request = StreamPodLogsRequest(namespace="default", name=pod.metadata.name)
    async for _ in client.pod_logs(request):
        pass


def _call_as_then(process: ServerProcess, pair: KeyPair) -> bytes:
    credentials = grpc.ssl_channel_credentials(
        process.config().certificate_authority, pair.key, pair.certificate
    )
    options = (("grpc.ssl_target_name_override", "podraft-server"),)
    with grpc.secure_channel(process.address, credentials, options) as channel:
        call: Any = channel.unary_unary("/podraft.api.core.v1.SecretService/ListSecrets")
        answer: bytes = call(b"", timeout=10)
    return answer[:0]


def _dns_names(pem: bytes) -> list[str]:
    certificate = x509.load_pem_x509_certificate(pem)
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert len(held.get_values_for_type(x509.DNSName)) == len(list(held)), "no other kind of name"
    return held.get_values_for_type(x509.DNSName)


def _fingerprint(pem: bytes) -> str:
    return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
