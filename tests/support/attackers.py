"""An attacker's means: certificates that he came by, and servers that pretend to be others.

Owns: joining as a node by hand, credentials of any name from an authority's key, and an impostor
that shows a certificate and records every call that anybody makes to it.
"""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from podraft.api.cluster.v1 import cluster_pb2
from podraft.client.connecting.config import SERVER_NAME, ClusterConfig
from podraft.server.auth.certificates import CertificateAuthority, KeyPair
from podraft.server.auth.identity import Identity, node_identity
from podraft.server.auth.issuer import Issuer, encoded_key, self_signed
from podraft.server.auth.signing_requests import new_request

JOIN_NODE = "/podraft.api.cluster.v1.JoinService/JoinNode"


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def join_node(
    join_port: int,
    authority: bytes,
    token: str,
    name: str,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> KeyPair:
    """Join as any client of the join port can; return the certificate and its key.

    Raises:
        grpc.RpcError: The server refuses.
    """
    with join_channel(join_port, authority) as channel:
        return join_through(channel, token, name, key)


def join_channel(join_port: int, authority: bytes) -> grpc.Channel:
    """Return a connection to the join port without a certificate."""
    credentials = grpc.ssl_channel_credentials(authority)
    options = (("grpc.ssl_target_name_override", SERVER_NAME),)
    return grpc.secure_channel(f"127.0.0.1:{join_port}", credentials, options)


def join_through(
    channel: grpc.Channel,
    token: str,
    name: str,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> KeyPair:
    """Join over an existing connection; otherwise the same as ``join_node``."""
    key = key or new_key()
    call = channel.unary_unary(
        JOIN_NODE,
        cluster_pb2.JoinNodeRequest.SerializeToString,
        cluster_pb2.Certificate.FromString,
    )
    request = cluster_pb2.JoinNodeRequest(
        token=token, node_name=name, certificate_signing_request=new_request(key)
    )
    # The port opens soon after a token exists, not at the same moment.
    answer: cluster_pb2.Certificate = call(request, timeout=60, wait_for_ready=True)
    return KeyPair(answer.certificate, encoded_key(key))


def code_of(error: BaseException) -> grpc.StatusCode:
    """Return the status of a call that failed."""
    failed: Any = error
    code: grpc.StatusCode = failed.code()
    return code


def as_identity(config: ClusterConfig, pair: KeyPair) -> ClusterConfig:
    """Return the configuration of ``config``'s cluster for the holder of ``pair``."""
    return ClusterConfig(config.servers, config.certificate_authority, pair.certificate, pair.key)


def node_pair(
    authority: CertificateAuthority,
    name: str,
    now: datetime.datetime | None = None,
    lifetime: datetime.timedelta = datetime.timedelta(days=1),
    key: ec.EllipticCurvePrivateKey | None = None,
) -> KeyPair:
    """Return a node's certificate as a join would sign it, for any period."""
    key = key or new_key()
    at = now or datetime.datetime.now(datetime.UTC)
    signed = authority.sign_node(new_request(key), name, at, lifetime)
    return KeyPair(signed, encoded_key(key))


def older_authority(now: datetime.datetime | None = None) -> CertificateAuthority:
    """Return an authority like those of clusters founded when there was one for all roles."""
    at = now or datetime.datetime.now(datetime.UTC)
    begins, ends = at - datetime.timedelta(days=1), at + datetime.timedelta(days=3650)
    serial = x509.random_serial_number()
    issuer = self_signed(f"podraft-ca-{serial:040x}"[:31], new_key(), serial, begins, ends)
    return CertificateAuthority(issuer.certificate, issuer.key)


def older_pair(
    authority: CertificateAuthority,
    identity: Identity,
    serves: tuple[str, ...] = (),
    *,
    is_client: bool = True,
) -> KeyPair:
    """Return a certificate as an authority for all roles used to sign it."""
    pair = authority.key_pair
    signing = serialization.load_pem_private_key(pair.key, None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    issuer = Issuer(x509.load_pem_x509_certificate(pair.certificate), signing)
    key, now = new_key(), datetime.datetime.now(datetime.UTC)
    lifetime = datetime.timedelta(days=30)
    signed = issuer.sign(
        identity, key.public_key(), now, lifetime, serves=serves, is_client=is_client
    )
    return KeyPair(signed, encoded_key(key))


def older_node_pair(authority: CertificateAuthority, name: str) -> KeyPair:
    """Return a node's certificate of the older kind: it serves under whatever name the node has."""
    return older_pair(authority, node_identity(name), (name,))


@dataclass
class Impostor:
    """A server that shows a certificate by which nobody should believe it."""

    port: int
    calls: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


class _Noting(grpc.GenericRpcHandler):
    """A handler that records the first message of every call and returns an empty answer."""

    def __init__(self, calls: list[tuple[str, bytes]], endless: bool) -> None:
        self._calls = calls
        self._endless = endless

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        def note(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            self._calls.append((str(details.method), next(requests)))
            yield b""
            if self._endless:
                left = threading.Event()
                context.add_callback(left.set)
                left.wait()

        return grpc.stream_stream_rpc_method_handler(note)


@contextlib.contextmanager
def impostor(
    pair: KeyPair, public_authority: bytes, *, endless: bool = False
) -> Iterator[Impostor]:
    """Run a server that shows ``pair`` and the authority's certificate, which everybody has.

    ``endless``: its answers do not end by themselves.
    """
    server = grpc.server(ThreadPoolExecutor(4))
    running = Impostor(0)
    server.add_generic_rpc_handlers((_Noting(running.calls, endless),))
    credentials = grpc.ssl_server_credentials([(pair.key, pair.certificate + public_authority)])
    running.port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield running
    finally:
        server.stop(None).wait()
