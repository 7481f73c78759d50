"""The cluster's certificate authority: what it certifies, by which of its parts, for how long.

Owns: the roles, each with an authority of its own, and the names in their certificates.

    servers   API servers and members: what agents and clients trust; ``ca.pem``, made once
    nodes     agents: what the API trusts for calls of nodes, and for dialling agents
    clients   users, and the components of the control plane

Invariants: nobody trusts one role's authority for another role, so no name that a node asks for
makes it a server, and no error in signing nodes makes an administrator.  All keys are derived from
the servers' key, which only servers hold: servers that share it agree on all of them.
Other certificates serve under names with an underscore, which no node, host or address has.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import NameOID

from podraft.client.connecting.config import SERVER_NAME
from podraft.server.auth.identity import (
    COMMON_NAME_LENGTH_MAX,
    Identity,
    Role,
    check_node_name,
    member_identity,
    node_identity,
)
from podraft.server.auth.issuer import (
    CLOCK_SKEW,
    Issuer,
    SubjectKey,
    encoded_key,
    self_signed,
)
from podraft.server.auth.lifetimes import (
    AUTHORITY_LIFETIME,
    CLIENT_LIFETIME,
    NODE_LIFETIME,
    SERVER_LIFETIME,
)
from podraft.server.auth.signing_requests import (
    CertificateRequestError,
    key_fingerprint,
    read_request,
)

# The name by which clients from before there were roles check a server.
_OLDER_SERVER_NAME: Final = "podraft-server"
# An authority of this name has also signed nodes and users.
_OLDER_NAME: Final = "podraft-ca-"
_NAME: Final = "podraft-servers-"
_SERIAL_DIGITS: Final = 20
# The length of a key's fingerprint in a name, whose parts hold at most 63 characters.
_KEY_DIGITS: Final = 40


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class CertificateAuthority:
    """The authority that signs the cluster's certificates; immutable, safe to share."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        if certificate.public_key() != key.public_key():
            raise ValueError("the authority's certificate and key do not belong together")
        self._key = key
        servers = Issuer(certificate, key)
        self._issuers: Mapping[Role, Issuer] = {
            Role.SERVER: servers,
            Role.NODE: self._derived(Role.NODE, certificate),
            Role.CLIENT: self._derived(Role.CLIENT, certificate),
        }
        self._servers = servers

    def _derived(self, role: Role, servers: x509.Certificate) -> Issuer:
        """Return the authority of one role, with the same key and name wherever it is derived."""
        secret = self._secret(f"podraft authority of {role.value}".encode(), 48)
        # 128 bits more than the order has: no value is noticeably more likely than another.
        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        key = ec.derive_private_key(int.from_bytes(secret) % (order - 1) + 1, ec.SECP256R1())
        digits = f"{servers.serial_number:040x}"[:_SERIAL_DIGITS]
        begins, ends = servers.not_valid_before_utc, servers.not_valid_after_utc
        return self_signed(f"podraft-{role.value}-{digits}", key, 1, begins, ends)

    def derived_key(self, purpose: bytes) -> bytes:
        """Return a secret of 32 bytes that every holder of the authority derives alike."""
        return self._secret(purpose, 32)

    def _secret(self, purpose: bytes, size: int) -> bytes:
        encoded = self._key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return HKDF(hashes.SHA256(), size, salt=None, info=purpose).derive(encoded)

    @classmethod
    def create(cls, now: datetime.datetime) -> CertificateAuthority:
        """Return a new authority, valid for ten years from ``now``."""
        key = ec.generate_private_key(ec.SECP256R1())
        # The serial in the name keeps authorities of different clusters apart in error messages.
        serial = x509.random_serial_number()
        name = f"{_NAME}{f'{serial:040x}'[:_SERIAL_DIGITS]}"
        issuer = self_signed(name, key, serial, now - CLOCK_SKEW, now + AUTHORITY_LIFETIME)
        return cls(issuer.certificate, key)

    @classmethod
    def load(cls, pair: KeyPair) -> CertificateAuthority:
        """Return the authority in ``pair``.

        Raises:
            ValueError: ``pair`` is not an authority's certificate with its EC key.

        """
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the authority's key is no elliptic-curve key")
        return cls(certificate, key)

    @property
    def certificate(self) -> bytes:
        """The servers' authority, PEM: what clients, agents and members trust."""
        return self._servers.pem

    @property
    def node_trust(self) -> bytes:
        """The nodes' authority, PEM: what an agent's certificate is checked against."""
        return self._issuers[Role.NODE].pem

    @property
    def caller_trust(self) -> bytes:
        """All authorities whose certificates may call the API, PEM."""
        trusted = [self.node_trust, self._issuers[Role.CLIENT].pem]
        if self.signed_all_roles:
            trusted.append(self.certificate)
        return b"".join(trusted)

    @property
    def signed_all_roles(self) -> bool:
        """Whether the servers' authority is from when it was the only one.

        What it has signed for nodes and users stays valid until it expires.
        """
        names = self._servers.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return any(str(name.value).startswith(_OLDER_NAME) for name in names)

    @property
    def valid_until(self) -> datetime.datetime:
        """The end of the authority's own certificate, and of all that it signed."""
        return self._servers.certificate.not_valid_after_utc

    @property
    def key_pair(self) -> KeyPair:
        """The certificate and its key, as `load` takes them."""
        return KeyPair(self.certificate, encoded_key(self._key))

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate's DER encoding, hexadecimal, as join tokens carry it."""
        der = self._servers.certificate.public_bytes(serialization.Encoding.DER)
        return hashlib.sha256(der).hexdigest()

    def issuer(self, role: Role) -> Issuer:
        """Return the authority of a role."""
        return self._issuers[role]

    def issuer_of(self, certificate: x509.Certificate) -> Role | None:
        """Return the role whose authority signed ``certificate``; None if none of ours did."""
        for role, issuer in self._issuers.items():
            if issuer.issued(certificate):
                return role
        return None

    def issue_server(self, names: Sequence[str], now: datetime.datetime) -> KeyPair:
        """Return a serving certificate for ``names`` (DNS names and IP addresses).

        It always includes the names by which clients check a server, whatever its address.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._servers.sign(
            Identity(_OLDER_SERVER_NAME, frozenset()),
            key.public_key(),
            now,
            SERVER_LIFETIME,
            serves=tuple(dict.fromkeys((SERVER_NAME, _OLDER_SERVER_NAME, *names))),
            is_client=False,
        )
        return KeyPair(certificate, encoded_key(key))

    def issue_client(
        self,
        identity: Identity,
        now: datetime.datetime,
        lifetime: datetime.timedelta = CLIENT_LIFETIME,
    ) -> KeyPair:
        """Return a new key and a client certificate for ``identity``, by its role's authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(identity, key.public_key(), now, lifetime)
        return KeyPair(certificate, encoded_key(key))

    def issue_member(self, member_name: str, now: datetime.datetime) -> KeyPair:
        """Return the certificate of a control-plane member, for client and server, with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        identity = member_identity(member_name)
        serves = (member_server_name(member_name),)
        certificate = self._sign(identity, key.public_key(), now, SERVER_LIFETIME, serves=serves)
        return KeyPair(certificate, encoded_key(key))

    def sign_client(
        self,
        request: bytes,
        identity: Identity,
        now: datetime.datetime,
        lifetime: datetime.timedelta = CLIENT_LIFETIME,
    ) -> bytes:
        """Return a client certificate (PEM) for the key in a signing request.

        The request's own subject and extensions are ignored.

        Raises:
            CertificateRequestError: The request is malformed, unsigned or has a weak key.

        """
        return self._sign(identity, read_request(request), now, lifetime)

    def sign_node(
        self,
        request: bytes,
        node_name: str,
        now: datetime.datetime,
        lifetime: datetime.timedelta = NODE_LIFETIME,
    ) -> bytes:
        """Return a node's certificate (PEM), for client and server: see `node_server_name`.

        Raises:
            CertificateRequestError: As in `sign_client`, or the name cannot be a node's.

        """
        problem = check_node_name(node_name)
        if problem is not None:
            raise CertificateRequestError(problem)
        public_key = read_request(request)
        key = key_fingerprint(public_key)
        serves = (node_server_name(node_name), node_server_name(node_name, key))
        return self._sign(node_identity(node_name), public_key, now, lifetime, serves=serves)

    def _sign(
        self,
        identity: Identity,
        public_key: SubjectKey,
        now: datetime.datetime,
        lifetime: datetime.timedelta,
        *,
        serves: tuple[str, ...] = (),
    ) -> bytes:
        """Return a certificate signed by the authority of the identity's role."""
        if len(identity.user) > COMMON_NAME_LENGTH_MAX:
            raise CertificateRequestError(
                f"the name {identity.user!r} has {len(identity.user)} characters; "
                f"a certificate holds at most {COMMON_NAME_LENGTH_MAX}"
            )
        issuer = self._issuers[identity.role]
        return issuer.sign(identity, public_key, now, lifetime, serves=serves, is_client=True)


def member_server_name(member_name: str) -> str:
    """Return the DNS name in a member's certificate."""
    return f"{member_name}._members.podraft"


def node_server_name(node_name: str, key: str = "") -> str:
    """Return the DNS name in a node's certificate; with ``key``, the other one, which includes it.

    The suffix of a node's name begins with an underscore, which no node's name has: otherwise a
    node could have the name that stands for another node with its key.
    """
    of_key = f"._k{key[:_KEY_DIGITS]}" if key else ""
    return f"{node_name}{of_key}._nodes.podraft"
