"""Who calls, and whether they may.

Owns: the way from a connection's verified certificate to an identity, and from an
identity's attempted call to a refusal.  Invariants: every RPC on the API port goes
through here; a connection without a certificate of the cluster never gets so far; what a
certificate says counts only if the authority of that role has signed it.
"""

from __future__ import annotations

import time
from typing import Any, Final, Protocol

import grpc

from podraft.api import kinds
from podraft.server.auth.authorize import UNSEEN, Attributes, Lookup, authorize
from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.auth.identity import (
    CONTROLLERS,
    SCHEDULER,
    Identity,
    IdentityError,
    parsed,
)
from podraft.server.auth.recognition import Proof, recognized
from podraft.server.budgets.budget import Budgets, Holder, Role
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.rpc.admitting import Gate, refusal
from podraft.server.rpc.live_rights import LiveRights
from podraft.server.rpc.node_registry import NodeRegistry
from podraft.server.state.commands import AUTHOR_BYTES_MAX

_CACHE_MAX: Final = 4096


class Authorizer(Protocol):
    """Decides whether the caller may make a call."""

    @property
    def unrestricted(self) -> bool:
        """Whether every call is allowed."""

    @property
    def author(self) -> bytes:
        """The caller's name, as history keeps it."""

    def __call__(self, attributes: Attributes) -> None:
        """Return if it may.

        Raises:
            RefusedError: It may not.
        """


class Caller:
    """An identity and what it may do: called with attributes, it refuses or returns."""

    __slots__ = (
        "_lookup",
        "author",
        "certificate",
        "holder",
        "identity",
        "proof",
        "unrestricted",
    )

    def __init__(
        self,
        identity: Identity,
        lookup: Lookup,
        certificate: bytes = b"",
        holder: Holder | None = None,
        proof: Proof | None = None,
    ) -> None:
        self.identity = identity
        # PEM, and what it proves; empty and None: the server itself.
        self.certificate = certificate
        self.proof = proof
        # Whoever may do everything need not be asked about each write.
        self.unrestricted = identity.is_admin
        # What history says of who wrote; certificates bound a name well below this.
        self.author = identity.user.encode()[:AUTHOR_BYTES_MAX]
        # What it may take of this server.
        self.holder = holder or Budgets().holder(_role_of(identity), identity.user)
        self._lookup = lookup

    def __call__(self, attributes: Attributes) -> None:
        """Return if the caller may make the call.

        Raises:
            RefusedError: It may not.
        """
        denial = authorize(self.identity, attributes, self._lookup)
        if denial is not None:
            raise RefusedError(Code.PERMISSION_DENIED, denial)
        # Once for each, before it is looked at; it is asked about again when it is.
        is_new = attributes.verb == "create" and attributes.object is UNSEEN
        if attributes.kind is kinds.EVENT and is_new:
            exceeded = self.holder.charge_event(time.monotonic())
            if exceeded is not None:
                raise refusal(self.holder, exceeded)


class Callers:
    """Recognizes callers; parsed certificates are remembered, as agents call all the time."""

    def __init__(
        self,
        lookup: Lookup,
        authority: CertificateAuthority,
        nodes: NodeRegistry,
        gate: Gate | None = None,
    ) -> None:
        self._lookup = lookup
        self._authority = authority
        self._nodes = nodes
        self.gate = gate or Gate()
        self._known: dict[bytes, Caller] = {}
        self.live = LiveRights(self.check)

    def of(self, context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
        """Return who makes the call, if it may make calls now.

        Raises:
            RefusedError: The connection carries no usable certificate, it has expired since
                the connection was made, or its node was removed.
        """
        pem = next(iter(context.auth_context().get("x509_pem_cert", ())), None)
        if not pem:
            raise RefusedError(Code.UNAUTHENTICATED, "a client certificate is required")
        caller = self._known.get(pem)
        if caller is None:
            caller = self._recognize(pem)
        self.check(caller)
        return caller

    def check(self, caller: Caller) -> None:
        """Return if the caller's certificate is still good.

        Raises:
            RefusedError: It is not.
        """
        proof = caller.proof
        if proof is None:
            return
        if proof.expires_at_s <= time.time():
            raise RefusedError(
                Code.UNAUTHENTICATED, f'the certificate of "{proof.identity.user}" has expired'
            )
        if proof.node is not None:
            self._nodes.check(proof)

    def _recognize(self, pem: bytes) -> Caller:
        try:
            proof = recognized(parsed(pem), self._authority)
        except IdentityError as error:
            raise RefusedError(Code.UNAUTHENTICATED, str(error)) from None
        identity = proof.identity
        holder = self.gate.budgets.holder(_role_of(identity), identity.user)
        caller = Caller(identity, self._lookup, pem, holder, proof)
        if len(self._known) >= _CACHE_MAX:
            del self._known[next(iter(self._known))]
        self._known[pem] = caller
        return caller


def _role_of(identity: Identity) -> Role:
    if identity.is_admin:
        return Role.ADMINISTRATORS
    return Role.COMPONENTS if identity.user in (SCHEDULER, CONTROLLERS) else Role.OTHERS
