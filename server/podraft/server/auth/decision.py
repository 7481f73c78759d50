"""One call, decided: the rule that allows it, or what is missing.

Owns: the way from a call's attributes to the rules of the nodes and components, which are built
in, or to the roles that are bound to everybody else.

Invariants: pure; nodes and components have their narrow rights and no roles, whatever is bound;
what nobody allows is denied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from google.protobuf.message import Message

from podraft.api import kinds
from podraft.api.kinds import VERBS, KnownKinds
from podraft.server.auth.authorize import (
    FOR_EVERYONE,
    UNSEEN,
    VERSION,
    Attributes,
    Lookup,
    Verb,
    authorize,
    selected,
    sentence,
)
from podraft.server.auth.identity import MASTERS, Identity
from podraft.server.auth.rbac import escalation
from podraft.server.auth.rbac.rights import Grant, Place, Rights
from podraft.server.auth.rbac.rules import Request, request

# The group of what concerns the cluster as a whole: join tokens, members, users.
CLUSTER_GROUP: Final = "podraft.io"
_WRITES: Final = frozenset({"create", "update", "patch"})


@dataclass(frozen=True, slots=True)
class Allowed:
    """A call that may be made, and what allows it."""

    by: Grant | str

    def __str__(self) -> str:
        return str(self.by)


@dataclass(frozen=True, slots=True)
class Denied:
    """A call that may not be made, and why."""

    reason: str

    def __str__(self) -> str:
        return self.reason


Verdict: TypeAlias = Allowed | Denied
UNRESTRICTED: Final = Allowed(f'group "{MASTERS}"')
_BUILT_IN: Final = Allowed("the built-in rights of nodes and components")
_EVERYONE: Final = Allowed("everyone whom the cluster knows may")
_UNBOUND: Final = "no role that is bound to the user or its groups allows it"


def decide(identity: Identity, attributes: Attributes, lookup: Lookup, rights: Rights) -> Verdict:
    """Return whether an identity may make a call, and why."""
    if not identity.has_roles:
        denial = authorize(identity, attributes, lookup)
        if denial is not None:
            return Denied(denial)
        return UNRESTRICTED if identity.is_admin else _BUILT_IN
    if attributes.kind is None and (attributes.verb, attributes.subresource) in FOR_EVERYONE:
        return _EVERYONE
    grant = rights.grant(identity, request_of(attributes))
    if grant is None:
        return Denied(f"{sentence(identity, attributes)}: {_UNBOUND}")
    denial = _escalation(identity, attributes, rights)
    if denial is not None:
        return Denied(f"{sentence(identity, attributes)}{denial}")
    return Allowed(grant)


def decide_words(
    identity: Identity, call: Request, known: KnownKinds, lookup: Lookup, rights: Rights
) -> Verdict:
    """Return whether an identity may make a call that is known by its words only.

    What a node may do with an object depends on the object; then the answer is whether it may be
    allowed.
    """
    if identity.is_admin:
        return UNRESTRICTED
    if not identity.has_roles:
        attributes = _attributes_of(call, known)
        if attributes is None:
            return Denied(f'user "{identity.user}" may not {call}: there is no such call')
        return decide(identity, attributes, lookup, rights)
    return decide_request(identity, call, rights)


def decide_request(identity: Identity, call: Request, rights: Rights) -> Verdict:
    """Return whether an identity has a role that allows a call."""
    grant = rights.grant(identity, call)
    if grant is not None:
        return Allowed(grant)
    return Denied(f'user "{identity.user}" may not {call}: {_UNBOUND}')


def request_of(attributes: Attributes) -> Request:
    """Return a call as rules see it."""
    kind, part = attributes.kind, attributes.subresource
    if kind is None:
        if part == VERSION:
            return Request(attributes.verb, path="/version")
        return request(attributes.verb, CLUSTER_GROUP, part, "", "", attributes.name)
    namespace, name = attributes.namespace, attributes.name
    if attributes.verb in ("list", "watch") and not name:
        name = selected(attributes.field_selector, "metadata.name") or ""
    if kind is kinds.NAMESPACE:
        namespace = name  # Who has a role in a namespace may have it for the namespace, too.
    return request(attributes.verb, kind.group, kind.resource, part, namespace, name)


def _attributes_of(call: Request, known: KnownKinds) -> Attributes | None:
    resource, _, part = call.resource.partition("/")
    kind = known.by_group_resource(f"{resource}.{call.group}" if call.group else resource)
    if call.verb not in VERBS or (kind is None and call.group != CLUSTER_GROUP):
        return None
    verb = cast("Verb", call.verb)
    if kind is None:
        return Attributes(verb, None, "", call.name, resource)
    unseen = UNSEEN if call.verb in _WRITES else None
    namespace = call.namespace if kind.namespaced else ""
    return Attributes(verb, kind, namespace, call.name, part, unseen, UNSEEN)


def _escalation(identity: Identity, attributes: Attributes, rights: Rights) -> str | None:
    """Return why a write of a role or binding hands on too much; None if it does not."""
    kind, new, stored = attributes.kind, attributes.object, attributes.stored
    if attributes.verb not in _WRITES or not isinstance(new, Message):
        return None
    place = Place(attributes.namespace, attributes.name)
    before = stored if stored is not UNSEEN else None
    if kind in escalation.ROLES:
        return escalation.role_denial(identity, rights, place, new, before)
    if kind in escalation.BINDINGS:
        return escalation.binding_denial(identity, rights, place, new, before)
    return None
