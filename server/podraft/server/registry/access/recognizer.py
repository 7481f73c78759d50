"""The way from a certificate to its caller.

Owns: the way from a connection's verified certificate to an identity.  Invariants: what a
certificate says counts only if the authority of that role has signed it; a certificate that has
expired, whose node was removed or whose user was revoked, is good for nothing more; whoever acts
as somebody else may do so at every call.
"""

from __future__ import annotations

import time
from typing import Final

from podraft.server.auth.authorize import Lookup
from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.auth.certified import parsed
from podraft.server.auth.identity import Identity, IdentityError
from podraft.server.auth.rbac.rights import Rights
from podraft.server.auth.recognition import recognized
from podraft.server.budgets.budget import Budgets
from podraft.server.registry.access.callers import Caller, role_of
from podraft.server.registry.access.node_registry import NodeRegistry
from podraft.server.registry.access.user_registry import UserRegistry
from podraft.server.registry.errors import Code, RefusedError

_CACHE_MAX: Final = 4096


class Recognizer:
    """A recognizer of callers; it remembers parsed certificates, as agents call all the time."""

    def __init__(
        self,
        lookup: Lookup,
        authority: CertificateAuthority,
        nodes: NodeRegistry,
        users: UserRegistry,
        budgets: Budgets,
        rights: Rights,
    ) -> None:
        self._rights = rights
        self._lookup = lookup
        self._authority = authority
        self._nodes = nodes
        self._users = users
        self._budgets = budgets
        self._known: dict[bytes, Caller] = {}
        self._acting: dict[tuple[bytes, Identity], Caller] = {}

    def caller(self, pem: bytes) -> Caller:
        """Return the caller that has shown the certificate ``pem``, if it may make calls now.

        Raises:
            RefusedError: The certificate is not usable, it has expired since the connection was
                made, or its node was removed.
        """
        caller = self._known.get(pem)
        if caller is None:
            caller = self._recognize(pem)
        self.check(caller)
        return caller

    def acting(self, caller: Caller, identity: Identity) -> Caller:
        """Return ``caller`` acting as somebody else.

        Raises:
            RefusedError: It may not.
        """
        key = (caller.certificate, identity)
        found = self._acting.get(key)
        if found is None:
            found = Caller(
                identity,
                self._lookup,
                holder=caller.holder,
                rights=self._rights,
                impersonator=caller,
            )
        self.check(found)
        # Remembered only if it is allowed.
        if key not in self._acting:
            if len(self._acting) >= _CACHE_MAX:
                del self._acting[next(iter(self._acting))]
            self._acting[key] = found
        return found

    def check(self, caller: Caller) -> None:
        """Check that the caller's certificate is still good, and that it may act as it does.

        Raises:
            RefusedError: It is not, or the caller may not.
        """
        if caller.impersonator is not None:
            self.check(caller.impersonator)
            caller.impersonator.check_may_act_as(caller.identity)
            return
        proof = caller.proof
        if proof is None:
            return
        if proof.expires_at_s <= time.time():
            raise RefusedError(
                Code.UNAUTHENTICATED, f'the certificate of "{proof.identity.user}" has expired'
            )
        if proof.node is not None:
            self._nodes.check(proof)
        else:
            self._users.check(proof)

    def _recognize(self, pem: bytes) -> Caller:
        try:
            proof = recognized(parsed(pem), self._authority)
        except IdentityError as error:
            raise RefusedError(Code.UNAUTHENTICATED, str(error)) from None
        identity = proof.identity
        holder = self._budgets.holder(role_of(identity), identity.user)
        caller = Caller(identity, self._lookup, pem, holder, proof, self._rights)
        if len(self._known) >= _CACHE_MAX:
            del self._known[next(iter(self._known))]
        self._known[pem] = caller
        return caller
