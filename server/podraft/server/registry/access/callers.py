"""Callers, and whether they may make a call.

Owns: the way from an identity's attempted call to a refusal.  Invariant: a caller that may not
make a call learns why, and nothing of what is stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Protocol

from podraft.server.auth.authorize import UNSEEN, Attributes, Lookup
from podraft.server.auth.decision import (
    UNRESTRICTED,
    Denied,
    Verdict,
    decide,
    decide_request,
)
from podraft.server.auth.identity import CONTROLLERS, SCHEDULER, Identity
from podraft.server.auth.rbac.rights import SERVICE_ACCOUNT_PREFIX, Rights, subjects_of
from podraft.server.auth.rbac.rules import Request, request
from podraft.server.auth.recognition import Proof
from podraft.server.budgets.budget import Budgets, Holder, Role
from podraft.server.kinds.rooms import rules_of
from podraft.server.registry.access.budgets import over_budget
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.state.commands import AUTHOR_BYTES_MAX

# Who listens to the decisions about the present task's call.
DECISIONS: ContextVar[Callable[[Attributes, Verdict], None] | None] = ContextVar(
    "decisions", default=None
)


def note(*calls: Attributes) -> None:
    """Tell whoever listens of calls that nobody need decide, as their caller may do everything."""
    hear = DECISIONS.get()
    if hear is not None:
        for attributes in calls:
            hear(attributes, UNRESTRICTED)


class Authorizer(Protocol):
    """The decision whether the caller may make a call."""

    @property
    def unrestricted(self) -> bool:
        """Whether every call is allowed."""

    @property
    def author(self) -> bytes:
        """The caller's name, as history keeps it."""

    def __call__(self, attributes: Attributes) -> None:
        """Check that the caller may make the call.

        Raises:
            RefusedError: The caller may not make it.
        """


class Caller:
    """An identity and what it may do: called with attributes, it refuses or returns."""

    __slots__ = (
        "_lookup",
        "author",
        "certificate",
        "holder",
        "identity",
        "impersonator",
        "proof",
        "rights",
        "subjects",
        "unrestricted",
    )

    def __init__(
        self,
        identity: Identity,
        lookup: Lookup,
        certificate: bytes = b"",
        holder: Holder | None = None,
        proof: Proof | None = None,
        rights: Rights | None = None,
        impersonator: Caller | None = None,
    ) -> None:
        self.identity = identity
        # PEM, and what it proves; empty and None: the server itself.
        self.certificate = certificate
        self.proof = proof
        # A caller that may do everything need not be asked about each write.
        self.unrestricted = identity.is_admin
        # The author of a write in history; certificates bound a name well below this.
        self.author = identity.user.encode()[:AUTHOR_BYTES_MAX]
        # The caller's budget on this server.
        self.holder = holder or Budgets().holder(role_of(identity), identity.user)
        self._lookup = lookup
        # What is bound to whom; a caller that is given nothing has what is built in.
        self.rights = rights or Rights()
        # The subjects by which roles are bound to the caller.
        self.subjects = frozenset(subjects_of(identity) if identity.has_roles else ())
        # Who acts as this identity, if it is another one.
        self.impersonator = impersonator
        if impersonator is not None:
            self.subjects |= impersonator.subjects
            self.author = f"{impersonator.identity.user} as {identity.user}".encode()
            self.author = self.author[:AUTHOR_BYTES_MAX]

    @property
    def acting(self) -> Caller:
        """The caller whose certificate it is, whoever it acts as."""
        return self.impersonator or self

    @property
    def reads_warnings(self) -> bool:
        """Whether anybody would see a warning: nodes and components have nobody who would."""
        return not (self.identity.is_component or self.identity.node_name is not None)

    def __call__(self, attributes: Attributes) -> None:
        """Check that the caller may make the call.

        Raises:
            RefusedError: The caller may not make it.
        """
        verdict = decide(self.identity, attributes, self._lookup, self.rights)
        hear = DECISIONS.get()
        if hear is not None:
            hear(attributes, verdict)
        if isinstance(verdict, Denied):
            raise RefusedError(Code.PERMISSION_DENIED, verdict.reason)
        # Charged once for each new object, before it is looked at; the call is checked again then.
        is_new = attributes.verb == "create" and attributes.object is UNSEEN
        kind = attributes.kind
        if is_new and kind is not None and rules_of(kind).metered:
            exceeded = self.holder.charge_event(time.monotonic())
            if exceeded is not None:
                raise over_budget(self.holder, exceeded)

    def check_may_act_as(self, identity: Identity) -> None:
        """Check that the caller may act as somebody else: as the user and as each of its groups.

        Raises:
            RefusedError: The caller may not.
        """
        if self.unrestricted:
            return
        for call in _impersonations(identity):
            verdict: Verdict = Denied(f'user "{self.identity.user}" may not {call}')
            if self.identity.has_roles:
                verdict = decide_request(self.identity, call, self.rights)
            if isinstance(verdict, Denied):
                raise RefusedError(Code.PERMISSION_DENIED, verdict.reason)


def _impersonations(identity: Identity) -> Iterator[Request]:
    """Yield the calls that must be allowed to whoever acts as an identity."""
    user = identity.user
    if user.startswith(SERVICE_ACCOUNT_PREFIX):
        namespace, _, name = user.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
        yield request("impersonate", "", "serviceaccounts", "", namespace, name)
    else:
        yield request("impersonate", "", "users", name=user)
    for group in sorted(identity.groups):
        yield request("impersonate", "", "groups", name=group)


def role_of(identity: Identity) -> Role:
    """Return the role whose budget an identity's calls are within."""
    if identity.is_admin:
        return Role.ADMINISTRATORS
    return Role.COMPONENTS if identity.user in (SCHEDULER, CONTROLLERS) else Role.OTHERS
