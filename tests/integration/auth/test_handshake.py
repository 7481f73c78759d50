"""Real TLS over gRPC: who gets an answer, and who the server sees."""

import datetime
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from podraft.client.connecting.config import SERVER_NAME
from podraft.server.auth.certificates import CertificateAuthority, KeyPair, node_server_name
from podraft.server.auth.certified import from_certificate
from podraft.server.auth.identity import Identity, node_identity
from podraft.server.auth.signing_requests import new_request

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"
ANN = Identity("ann", frozenset({"devs"}))


class Echo(grpc.GenericRpcHandler):
    """Answers every call with the identity that its certificate says."""

    def service(self, _details: grpc.HandlerCallDetails) -> Handler:
        def who(_request: bytes, context: grpc.ServicerContext) -> bytes:
            pem: Any
            (pem,) = context.auth_context()["x509_pem_cert"]
            identity = from_certificate(pem)
            return f"{identity.user} {sorted(identity.groups)}".encode()

        return grpc.unary_unary_rpc_method_handler(who)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create(NOW)


@pytest.fixture(scope="module")
def port(authority: CertificateAuthority) -> Iterator[int]:
    pair = authority.issue_server(["podraft-server", "127.0.0.1"], NOW)
    credentials = grpc.ssl_server_credentials(
        [(pair.key, pair.certificate)], authority.caller_trust, require_client_auth=True
    )
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Echo(),))
    bound = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield bound
    server.stop(None).wait()


def ask(
    port: int, trusted: bytes, pair: KeyPair | None = None, name: str = "podraft-server"
) -> str:
    credentials = grpc.ssl_channel_credentials(
        trusted, pair.key if pair else None, pair.certificate if pair else None
    )
    options = [("grpc.ssl_target_name_override", name)]
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        call: Any = channel.unary_unary("/test/Who")
        answer: bytes = call(b"", timeout=5)
        return answer.decode()


def refused(
    port: int, trusted: bytes, pair: KeyPair | None = None, name: str = "podraft-server"
) -> bool:
    with pytest.raises(grpc.RpcError) as failure:
        ask(port, trusted, pair, name)
    error: Any = failure.value
    return bool(error.code() is grpc.StatusCode.UNAVAILABLE)


def node_pair(authority: CertificateAuthority, now: datetime.datetime) -> KeyPair:
    key = ec.generate_private_key(ec.SECP256R1())
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return KeyPair(authority.sign_node(new_request(key), "n1", now), encoded)


def test_the_server_sees_the_identity_in_the_certificate(
    port: int, authority: CertificateAuthority
) -> None:
    assert ask(port, authority.certificate, authority.issue_client(ANN, NOW)) == "ann ['devs']"
    node = ask(port, authority.certificate, node_pair(authority, NOW))
    assert node == f"{node_identity('n1').user} ['system:nodes']"


def test_nobody_without_a_certificate_of_this_authority_gets_an_answer(
    port: int, authority: CertificateAuthority
) -> None:
    stranger = CertificateAuthority.create(NOW)
    assert refused(port, authority.certificate)
    assert refused(port, authority.certificate, stranger.issue_client(ANN, NOW))


def test_a_certificate_is_good_only_in_its_time(port: int, authority: CertificateAuthority) -> None:
    assert refused(port, authority.certificate, authority.issue_client(ANN, NOW - 400 * DAY))
    assert refused(port, authority.certificate, authority.issue_client(ANN, NOW + DAY))
    assert refused(port, authority.certificate, node_pair(authority, NOW - 31 * DAY))


def test_a_servers_certificate_is_no_clients(port: int, authority: CertificateAuthority) -> None:
    assert refused(port, authority.certificate, authority.issue_server(["x"], NOW))


def test_a_client_answers_to_no_other_server(port: int, authority: CertificateAuthority) -> None:
    stranger = CertificateAuthority.create(NOW)
    pair = authority.issue_client(ANN, NOW)
    assert refused(port, stranger.certificate, pair)
    assert refused(port, authority.certificate, pair, name="n1")


def test_a_node_serves_under_its_own_name_only(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    pair = node_pair(authority, NOW)
    path = tmp_path / "node.pem"
    path.write_bytes(pair.certificate + pair.key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)
    own = node_server_name("n1")
    for name, trusted, accepted in (
        (own, authority.node_trust, True),
        (node_server_name("n2"), authority.node_trust, False),
        (SERVER_NAME, authority.node_trust, False),
        (own, authority.certificate, False),
    ):
        trusting = ssl.create_default_context(cadata=trusted.decode())
        ours, theirs = socket.socketpair()
        with ours, theirs, ThreadPoolExecutor(1) as executor:
            served = executor.submit(serving.wrap_socket, ours, server_side=True)
            if accepted:
                with trusting.wrap_socket(theirs, server_hostname=name), served.result():
                    pass
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    trusting.wrap_socket(theirs, server_hostname=name)
                with pytest.raises(ssl.SSLError):
                    served.result()
