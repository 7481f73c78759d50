"""Signing requests, of which only the public key and the proof of the private one are read.

Invariant: nothing else of a request, neither subject nor extensions, is ever looked at.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from podraft.server.auth.issuer import SubjectKey

REQUEST_BYTES_MAX: Final = 16 * 1024
_RSA_BITS_MIN: Final = 2048
_RSA_BITS_MAX: Final = 8192
_EC_BITS_MIN: Final = 256


class CertificateRequestError(ValueError):
    """The error of a signing request that cannot be honoured; the message says why."""


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
        key = parsed.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise CertificateRequestError("not a certificate signing request (PKCS #10)") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        raise CertificateRequestError("the key must be an elliptic-curve, Ed25519 or RSA key")
    # Checked before the signature, which takes ever longer as the request grows.
    if isinstance(key, rsa.RSAPublicKey) and not _RSA_BITS_MIN <= key.key_size <= _RSA_BITS_MAX:
        raise CertificateRequestError(
            f"an RSA key needs at least {_RSA_BITS_MIN} bits, at most {_RSA_BITS_MAX}; "
            f"this has {key.key_size}"
        )
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < _EC_BITS_MIN:
        raise CertificateRequestError(
            f"an elliptic-curve key needs at least {_EC_BITS_MIN} bits; this has {key.key_size}"
        )
    try:
        signed = parsed.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateRequestError("not a certificate signing request (PKCS #10)") from error
    if not signed:
        raise CertificateRequestError("the certificate signing request is not signed by its key")
    return key


def key_fingerprint(key: SubjectKey) -> str:
    """Return the SHA-256 of a public key's DER encoding, hexadecimal: the same in all encodings."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()
