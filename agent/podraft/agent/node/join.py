"""The agent's identity: its key, the certificate it joins with, and that certificate's renewal.

Owns: ``<state>/identity/{agent.key,agent.crt,ca.crt}``.

Invariants: the private key never leaves this machine and is readable by root only; a
certificate authority is trusted only when its hash is the one in the join token.
"""

from __future__ import annotations

import asyncio
import datetime
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from podraft.api.cluster.v1 import cluster_pb2, cluster_pb2_grpc
from podraft.client.calls.client import Client
from podraft.client.connecting.authority import AuthorityError, fetch_authority
from podraft.client.connecting.config import SERVER_NAME, ClusterConfig
from podraft.client.serving.private_files import write_private

_TOKEN = re.compile(r"podraft1\.[0-9a-zA-Z]+\.[0-9a-zA-Z]+\.([0-9a-f]{64})")
_JOIN_TIMEOUT_S = 20.0
_NODES_DOMAIN = "._nodes.podraft"
_RENEW_AFTER = 2 / 3
_ELSEWHERE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class JoinError(Exception):
    """The node cannot join, or its identity cannot be used; the message says why."""


class _NotThereError(JoinError):
    """One server cannot be joined; another one may accept the node."""


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """This node's identity in the cluster; everything is PEM."""

    certificate: bytes
    key: bytes
    authority: bytes

    @property
    def node_name(self) -> str:
        """The node's name, from the certificate's subject ``system:node:<name>``."""
        certificate = x509.load_pem_x509_certificate(self.certificate)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(names[0].value).removeprefix("system:node:") if names else ""

    @property
    def renew_at_s(self) -> float:
        """The time when two thirds of the certificate's life are over (seconds since the epoch)."""
        certificate = x509.load_pem_x509_certificate(self.certificate)
        begin = certificate.not_valid_before_utc.timestamp()
        return begin + _RENEW_AFTER * (certificate.not_valid_after_utc.timestamp() - begin)

    @property
    def is_older(self) -> bool:
        """Whether the certificate is older than the nodes' own authority and names."""
        certificate = x509.load_pem_x509_certificate(self.certificate)
        try:
            held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return True
        names = held.value.get_values_for_type(x509.DNSName)
        return not any(name.endswith(_NODES_DOMAIN) for name in names)

    @property
    def expired(self) -> bool:
        """Whether the cluster no longer accepts the certificate."""
        certificate = x509.load_pem_x509_certificate(self.certificate)
        return certificate.not_valid_after_utc <= datetime.datetime.now(datetime.UTC)

    def config(self, servers: tuple[str, ...]) -> ClusterConfig:
        """Return how to reach the API as this node."""
        return ClusterConfig(
            servers=servers,
            certificate_authority=self.authority,
            client_certificate=self.certificate,
            client_key=self.key,
        )


class IdentityStore:
    """A store of the identity's files."""

    def __init__(self, state_directory: Path) -> None:
        self._directory = state_directory / "identity"

    def load(self) -> NodeIdentity | None:
        """Return the stored identity, if the node has joined.

        Raises:
            JoinError: The files are damaged.
        """
        certificate = self._directory / "agent.crt"
        if not certificate.exists():
            return None
        try:
            return NodeIdentity(
                certificate.read_bytes(),
                (self._directory / "agent.key").read_bytes(),
                (self._directory / "ca.crt").read_bytes(),
            )
        except OSError as error:
            raise JoinError(
                f"{self._directory} is damaged ({error}): remove it and join again"
            ) from error

    def key(self) -> ec.EllipticCurvePrivateKey:
        """Return the node's private key, creating it on the first call."""
        path = self._directory / "agent.key"
        if path.exists():
            loaded = serialization.load_pem_private_key(path.read_bytes(), None)
            if isinstance(loaded, ec.EllipticCurvePrivateKey):
                return loaded
        key = ec.generate_private_key(ec.SECP256R1())
        self._write("agent.key", _encoded(key))
        return key

    def save(self, certificate: bytes, authority: bytes) -> NodeIdentity:
        """Store what the cluster signed, the certificate last: it marks the set as complete."""
        self._write("ca.crt", authority)
        self._write("agent.crt", certificate)
        identity = self.load()
        assert identity is not None
        return identity

    def _write(self, name: str, content: bytes) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self._directory / name, content)


async def join(store: IdentityStore, join_servers: str, token: str, node_name: str) -> NodeIdentity:
    """Join the cluster with a token, at the first server that answers, and store the identity.

    Raises:
        JoinError: The token or the server is not as expected, or the server refuses.
    """
    match = _TOKEN.fullmatch(token.strip())
    if match is None:
        raise JoinError(
            "malformed join token: expected podraft1.<id>.<secret>.<fingerprint of the CA>"
        )
    failures = []
    for server in join_servers.split(","):
        try:
            return await _join_at(store, server.strip(), token, match.group(1), node_name)
        except _NotThereError as error:
            failures.append(str(error))
    raise JoinError("; ".join(failures))


async def _join_at(
    store: IdentityStore, join_server: str, token: str, fingerprint: str, node_name: str
) -> NodeIdentity:
    try:
        authority = await asyncio.to_thread(fetch_authority, join_server, fingerprint)
    except AuthorityError as error:
        raise _NotThereError(str(error)) from error
    request = cluster_pb2.JoinNodeRequest(
        token=token.strip(),
        node_name=node_name,
        certificate_signing_request=signing_request(store.key()),
    )
    credentials = grpc.ssl_channel_credentials(root_certificates=authority)
    options = [("grpc.ssl_target_name_override", SERVER_NAME)]
    async with grpc.aio.secure_channel(join_server, credentials, options=options) as channel:
        stub: Any = cluster_pb2_grpc.JoinServiceStub(channel)
        try:
            answer = await stub.JoinNode(request, timeout=_JOIN_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            kind = _NotThereError if error.code() in _ELSEWHERE else JoinError
            raise kind(f"{join_server} refuses: {error.details()}") from error
    # The authority with the token's fingerprint, whatever else the answer contains.
    return store.save(answer.certificate, authority)


async def renew(store: IdentityStore, client: Client) -> NodeIdentity:
    """Get and store a new certificate for the same key; the authority stays the same."""
    answer = await client.renew_certificate(signing_request(store.key()))
    return store.save(answer.certificate, client.config.certificate_authority)


def signing_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a signing request; the server decides on the subject."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _encoded(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
