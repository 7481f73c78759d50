"""One authority: a certificate that signs others, and its key.

Owns: how a certificate is built and signed.  Invariants: a subject is always what the server
decided, never what a signing request asked for; only an authority's own certificate may sign
others; validity begins a little before now, so that machines with slow clocks can join.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from podraft.server.auth.identity import Identity

CLOCK_SKEW: Final = datetime.timedelta(minutes=5)

SubjectKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


@dataclass(frozen=True)
class Issuer:
    """An authority's certificate and its key; immutable, safe to share."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @cached_property
    def pem(self) -> bytes:
        """The certificate, PEM, which is held by everything that trusts this authority."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issued(self, certificate: x509.Certificate) -> bool:
        """Return whether this authority signed ``certificate``."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def sign(
        self,
        identity: Identity,
        public_key: SubjectKey,
        now: datetime.datetime,
        lifetime: datetime.timedelta,
        *,
        serves: tuple[str, ...],
        is_client: bool,
    ) -> bytes:
        """Return a certificate (PEM) for ``identity`` that serves under the names, if any."""
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH] if is_client else []
        usages += [ExtendedKeyUsageOID.SERVER_AUTH] if serves else []
        serial = x509.random_serial_number()
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _builder(_subject(identity), self.certificate.subject, public_key, serial)
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(issuer_key, critical=False)
        )
        if serves:
            names = x509.SubjectAlternativeName([general_name(name) for name in serves])
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def self_signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    serial: int,
    begins: datetime.datetime,
    ends: datetime.datetime,
) -> Issuer:
    """Return the authority ``name``, signed by nobody but itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(subject, subject, key.public_key(), serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(key_identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Issuer(certificate, key)


def general_name(name: str) -> x509.GeneralName:
    """Return ``name`` as a certificate's alternative name: an IP address or a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def encoded_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key, PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _subject(identity: Identity) -> x509.Name:
    organisations = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in sorted(identity.groups)
    ]
    return x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, identity.user)])


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: SubjectKey, serial: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
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
