"""The serving certificate of the servers, replaced while they run.

Owns: the certificate of a TLS handshake.  Invariant: open connections keep theirs.
"""

from __future__ import annotations

import logging

import grpc

from podraft.client.serving.serving_certificates import renewable_credentials
from podraft.server.auth.pki import Pki

_LOG = logging.getLogger(__name__)


class ListenError(Exception):
    """The error of a port that cannot be listened on; the message names it."""


class ServingCertificate:
    """The server's present certificate, for any number of ports."""

    def __init__(self, pki: Pki) -> None:
        self._pki = pki

    def use(self, pki: Pki) -> None:
        """Show the certificate of ``pki`` from the next handshake on."""
        if pki.server != self._pki.server:
            self._pki = pki
            _LOG.info("the server's certificate was renewed")

    def pair(self) -> tuple[bytes, bytes]:
        """Return the key, and the certificate with its chain; both PEM.

        The chain ends with the CA: a joining machine checks it against the token's fingerprint.
        """
        server = self._pki.server
        return server.key, server.certificate + self._pki.certificate_authority

    def credentials(self) -> grpc.ServerCredentials:
        """Return the credentials of a port whose clients must also show a certificate."""
        return renewable_credentials(
            lambda: self._pki, lambda _: self._configuration(), mutual=True
        )

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        configuration: grpc.ServerCertificateConfiguration = (
            grpc.ssl_server_certificate_configuration(
                [self.pair()], root_certificates=self._pki.authority.caller_trust
            )
        )
        return configuration
