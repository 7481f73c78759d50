"""The identity that a verified client certificate states.

Invariant: only a certificate that TLS has already verified against the cluster's authorities is
given to `from_certificate`; nothing here checks signatures (`recognition` does).
"""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

from podraft.server.auth.identity import Identity, IdentityError


def from_certificate(pem: bytes) -> Identity:
    """Return the identity in a verified certificate (PEM; the first, if it is a chain).

    Raises:
        IdentityError: It is no certificate, or has no common name or several.
    """
    return identity_in(parsed(pem))


def parsed(pem: bytes) -> x509.Certificate:
    """Return a certificate (PEM; the first, if it is a chain).

    Raises:
        IdentityError: ``pem`` is no certificate.
    """
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise IdentityError(f"not a certificate: {error}") from error


def identity_in(certificate: x509.Certificate) -> Identity:
    """Return the identity that a verified certificate states.

    Raises:
        IdentityError: The certificate has no common name or several, or is malformed.
    """
    try:
        subject = certificate.subject
    except ValueError as error:
        raise IdentityError(f"not a certificate: {error}") from error
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1 or not names[0].value:
        raise IdentityError("the client's certificate must have exactly one common name")
    organisations = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return Identity(_text(names[0].value), frozenset(_text(o.value) for o in organisations))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
