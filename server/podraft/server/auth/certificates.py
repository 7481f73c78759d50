"""The cluster's certificate authority: what it signs and for how long.

Owns: the shape of every certificate in the cluster.  Invariants: a subject is
always what the server decided, never what a signing request asked for; only
the authority's own certificate may sign others; validity begins a little
before now, so that machines with slow clocks can join.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from podraft.server.auth.identity import (
    COMMON_NAME_LENGTH_MAX,
    Identity,
    check_node_name,
    member_identity,
    node_identity,
)

SERVER_NAME: Final = "podraft-server"
AUTHORITY_LIFETIME: Final = datetime.timedelta(days=3650)
SERVER_LIFETIME: Final = datetime.timedelta(days=365)
CLIENT_LIFETIME: Final = datetime.timedelta(days=365)
NODE_LIFETIME: Final = datetime.timedelta(days=30)
CLOCK_SKEW: Final = datetime.timedelta(minutes=5)

REQUEST_BYTES_MAX: Final = 16 * 1024
_RSA_BITS_MIN: Final = 2048

SubjectKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


class CertificateRequestError(ValueError):
    """A signing request cannot be honoured; the message says why."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class CertificateAuthority:
    """Signs the cluster's certificates; immutable, safe to share."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        if certificate.public_key() != key.public_key():
            raise ValueError("the authority's certificate and key do not belong together")
        self._certificate = certificate
        self._key = key

    def derived_key(self, purpose: bytes) -> bytes:
        """Return a secret of 32 bytes that every holder of the authority derives alike."""
        encoded = self._key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return HKDF(hashes.SHA256(), 32, salt=None, info=purpose).derive(encoded)

    @classmethod
    def create(cls, now: datetime.datetime) -> CertificateAuthority:
        """Return a new authority, valid for ten years from ``now``."""
        key = ec.generate_private_key(ec.SECP256R1())
        # The serial in the name keeps authorities of different clusters apart in error messages.
        serial = x509.random_serial_number()
        name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, f"podraft-ca-{serial:040x}"[:31])]
        )
        key_identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(name, name, key.public_key(), serial, now, AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(key_identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, pair: KeyPair) -> CertificateAuthority:
        """Return the authority in ``pair``.

        Raises:
            ValueError: It is no authority's certificate with its EC key.

        """
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the authority's key is no elliptic-curve key")
        return cls(certificate, key)

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def valid_until(self) -> datetime.datetime:
        """When the authority's own certificate ends, and all that it signed."""
        return self._certificate.not_valid_after_utc

    @property
    def key_pair(self) -> KeyPair:
        """Certificate and key: what `load` takes."""
        return KeyPair(self.certificate, _encode_key(self._key))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate's DER encoding, hexadecimal: what join tokens carry."""
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        return hashlib.sha256(der).hexdigest()

    def issued(self, certificate: bytes) -> bool:
        """Return whether this authority signed ``certificate`` (PEM)."""
        try:
            x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def issue_server(self, names: Sequence[str], now: datetime.datetime) -> KeyPair:
        """Return a serving certificate for ``names`` (DNS names and IP addresses)."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(
            Identity(SERVER_NAME, frozenset()),
            key.public_key(),
            now,
            SERVER_LIFETIME,
            serves=tuple(names),
            is_client=False,
        )
        return KeyPair(certificate, _encode_key(key))

    def issue_client(
        self,
        identity: Identity,
        now: datetime.datetime,
        lifetime: datetime.timedelta = CLIENT_LIFETIME,
    ) -> KeyPair:
        """Return a new key and a client certificate that says ``identity``."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(identity, key.public_key(), now, lifetime, serves=())
        return KeyPair(certificate, _encode_key(key))

    def issue_member(self, member_name: str, now: datetime.datetime) -> KeyPair:
        """Return what a member of the control plane shows to the others: client and server."""
        key = ec.generate_private_key(ec.SECP256R1())
        identity = member_identity(member_name)
        serves = (member_server_name(member_name),)
        certificate = self._sign(identity, key.public_key(), now, SERVER_LIFETIME, serves=serves)
        return KeyPair(certificate, _encode_key(key))

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
        return self._sign(identity, read_request(request), now, lifetime, serves=())

    def sign_node(
        self,
        request: bytes,
        node_name: str,
        now: datetime.datetime,
        lifetime: datetime.timedelta = NODE_LIFETIME,
    ) -> bytes:
        """Return a node's certificate (PEM): client and server, DNS name = node's name.

        Raises:
            CertificateRequestError: As in `sign_client`, or the name can be no node's.

        """
        problem = check_node_name(node_name)
        if problem is not None:
            raise CertificateRequestError(problem)
        public_key = read_request(request)
        return self._sign(node_identity(node_name), public_key, now, lifetime, serves=(node_name,))

    def _sign(
        self,
        identity: Identity,
        public_key: SubjectKey,
        now: datetime.datetime,
        lifetime: datetime.timedelta,
        *,
        serves: tuple[str, ...],
        is_client: bool = True,
    ) -> bytes:
        if len(identity.user) > COMMON_NAME_LENGTH_MAX:
            raise CertificateRequestError(
                f"the name {identity.user!r} has {len(identity.user)} characters; "
                f"a certificate holds at most {COMMON_NAME_LENGTH_MAX}"
            )
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH] if is_client else []
        usages += [ExtendedKeyUsageOID.SERVER_AUTH] if serves else []
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _builder(
                _subject(identity),
                self._certificate.subject,
                public_key,
                x509.random_serial_number(),
                now,
                lifetime,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(issuer_key, critical=False)
        )
        if serves:
            names = x509.SubjectAlternativeName([general_name(name) for name in serves])
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def new_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a signing request (PEM) for ``key``; the subject is for the server to decide."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def read_request(request: bytes) -> SubjectKey:
    """Return the public key of a signing request (PEM or DER) that its holder signed.

    Raises:
        CertificateRequestError: It is malformed, too large, not signed by its key or weak.

    """
    if len(request) > REQUEST_BYTES_MAX:
        raise CertificateRequestError(
            f"the certificate signing request has {len(request)} bytes; "
            f"at most {REQUEST_BYTES_MAX} are read"
        )
    try:
        if request.lstrip().startswith(b"-----BEGIN"):
            parsed = x509.load_pem_x509_csr(request)
        else:
            parsed = x509.load_der_x509_csr(request)
        signed = parsed.is_signature_valid
        key = parsed.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateRequestError("not a certificate signing request (PKCS #10)") from error
    if not signed:
        raise CertificateRequestError("the certificate signing request is not signed by its key")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _RSA_BITS_MIN:
        raise CertificateRequestError(
            f"an RSA key needs at least {_RSA_BITS_MIN} bits, this has {key.key_size}"
        )
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        raise CertificateRequestError("the key must be an elliptic-curve, Ed25519 or RSA key")
    return key


def member_server_name(member_name: str) -> str:
    """Return the DNS name in a member's certificate; no node can have one with an underscore."""
    return f"{member_name}._members.podraft"


def general_name(name: str) -> x509.GeneralName:
    """Return ``name`` as a certificate's alternative name: an IP address or a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subject(identity: Identity) -> x509.Name:
    organisations = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in sorted(identity.groups)
    ]
    return x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, identity.user)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: SubjectKey,
    serial: int,
    now: datetime.datetime,
    lifetime: datetime.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _encode_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
