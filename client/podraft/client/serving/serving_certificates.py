"""Certificates that gRPC servers renew while they run.

Invariant: open connections keep the certificate that they began with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import grpc

ShownT = TypeVar("ShownT")


def renewable_credentials(
    present: Callable[[], ShownT],
    configuration: Callable[[ShownT], grpc.ServerCertificateConfiguration],
    *,
    mutual: bool,
) -> grpc.ServerCredentials:
    """Return credentials that show, at each handshake, the certificate that ``present`` returns.

    With ``mutual``, clients must show a certificate, too.
    """
    shown = present()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        # Called by gRPC at every handshake, on its own threads; None means "as before".
        nonlocal shown
        now = present()
        if now is shown:
            return None
        shown = now
        return configuration(shown)

    # The stubs do not know that None is allowed.
    fetch: Any = renewed
    return grpc.dynamic_ssl_server_credentials(
        configuration(shown), fetch, require_client_authentication=mutual
    )
