"""The caller of a call, proved by the connection's certificate.

Invariants: every RPC on the API port goes through here; a connection without a certificate of the
cluster never gets so far.
"""

from __future__ import annotations

from typing import Any

import grpc

from podraft.server.registry.access.callers import Caller
from podraft.server.registry.access.live_rights import LiveRights
from podraft.server.registry.access.recognizer import Recognizer
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.rpc.calls.admitting import Gate


class Callers:
    """The callers of this port: their identities, what they hold, and their open streams."""

    def __init__(self, recognizer: Recognizer, live: LiveRights, gate: Gate) -> None:
        self._recognizer = recognizer
        self.check = recognizer.check
        self.live = live
        self.gate = gate

    def of(self, context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
        """Return the caller that makes the call, if it may make calls now.

        Raises:
            RefusedError: The connection carries no certificate that is good now.
        """
        pem = next(iter(context.auth_context().get("x509_pem_cert", ())), None)
        if not pem:
            raise RefusedError(Code.UNAUTHENTICATED, "a client certificate is required")
        return self._recognizer.caller(pem)
