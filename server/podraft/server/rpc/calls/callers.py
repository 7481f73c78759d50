"""The caller of a call, proved by the connection's certificate.

Invariants: every RPC on the API port goes through here; a connection without a certificate of the
cluster never gets so far.
"""

from __future__ import annotations

from typing import Any, Final

import grpc

from podraft.server.auth.identity import Identity
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.access.live_rights import LiveRights
from podraft.server.registry.access.recognizer import Recognizer
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.rpc.calls.admitting import Gate
from podraft.server.rpc.calls.auditing import Auditor

# The metadata of a call that is made as somebody else.
AS_USER: Final = "impersonate-user"
AS_GROUP: Final = "impersonate-group"
_GROUPS_MAX: Final = 64


class Callers:
    """The callers of this port: their identities, what they hold, and their open streams."""

    def __init__(
        self,
        recognizer: Recognizer,
        live: LiveRights,
        gate: Gate,
        auditor: Auditor | None = None,
    ) -> None:
        self.auditor = auditor or Auditor()
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
        caller = self._recognizer.caller(pem)
        meant = _meant(context)
        return caller if meant is None else self._recognizer.acting(caller, meant)


def _meant(context: grpc.aio.ServicerContext[Any, Any]) -> Identity | None:
    """Return whom the call says that it is made as; None if it is made as the caller itself."""
    user, groups = "", list[str]()
    for key, value in context.invocation_metadata() or ():
        if key == AS_USER:
            user = str(value)
        elif key == AS_GROUP:
            groups.append(str(value))
    if not user:
        if groups:
            raise invalid(AS_USER, f"is required with {AS_GROUP}")
        return None
    if len(groups) > _GROUPS_MAX:
        raise invalid(AS_GROUP, f"is given {len(groups)} times, at most {_GROUPS_MAX} are taken")
    return Identity(user, frozenset(groups))
