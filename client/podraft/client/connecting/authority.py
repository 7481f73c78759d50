"""Trusting a cluster by the fingerprint of its authority, which a join token carries.

Owns: how the authority's certificate is fetched from a server that is not trusted yet.
Invariant: only the certificate with the fingerprint is returned; the connection that fetched it is
not trusted otherwise, so nothing is sent over it.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from typing import Any, Final

from podraft.client.connecting.config import SERVER_NAME

_TIMEOUT_S: Final = 20.0


class AuthorityError(Exception):
    """The server cannot be reached, or belongs to another authority's cluster."""


def fetch_authority(server: str, fingerprint: str) -> bytes:
    """Return the PEM certificate in the server's chain whose SHA-256 is ``fingerprint``; block.

    Raises:
        AuthorityError: No such certificate was obtained; the message says why.
    """
    host, _, port = server.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=SERVER_NAME) as secure,
        ):
            chain = _unverified_chain(secure)
    except (OSError, ValueError) as error:
        raise AuthorityError(f"cannot reach the join server {server}: {error}") from error
    for certificate in chain:
        if hashlib.sha256(certificate).hexdigest() == fingerprint:
            return ssl.DER_cert_to_PEM_cert(certificate).encode()
    raise AuthorityError(
        f"the server at {server} does not belong to the cluster of the join token: "
        "no certificate of its chain has the token's fingerprint"
    )


def _unverified_chain(secure: ssl.SSLSocket) -> list[bytes]:
    public = getattr(secure, "get_unverified_chain", None)  # Python 3.13
    if public is not None:
        return [bytes(certificate) for certificate in public()]
    inner: Any = secure._sslobj  # type: ignore[attr-defined]  # public only since 3.13
    return [ssl.PEM_cert_to_DER_cert(item.public_bytes()) for item in inner.get_unverified_chain()]
