"""Rights may be handed on only by those who have them.

Owns: the checks of writes of roles and bindings.  A role may hold only what its writer may do, or
the writer has the verb ``escalate`` on the role; a binding may give only a role of which that
holds, or the writer has the verb ``bind`` on it.

Invariants: pure; what cannot be decided with bounded work is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from podraft.api import kinds
from podraft.api.kinds.rbac import RBAC_GROUP
from podraft.server.auth.identity import Identity
from podraft.server.auth.rbac.rights import Place, Rights
from podraft.server.auth.rbac.rules import ALL, Rule, request

# Each part is compared with the writer's rules, on the event loop.
_PARTS_MAX: Final = 2_000
_COMPARISONS_MAX: Final = 100_000
_SHOWN_MAX: Final = 3
_EVERYTHING: Final = (
    Rule(frozenset({ALL}), frozenset({ALL}), frozenset({ALL})),
    Rule(frozenset({ALL}), paths=frozenset({ALL})),
)
ROLES: Final = (kinds.ROLE, kinds.CLUSTER_ROLE)
BINDINGS: Final = (kinds.ROLE_BINDING, kinds.CLUSTER_ROLE_BINDING)


def role_denial(
    identity: Identity, rights: Rights, place: Place, role: Any, stored: Any | None
) -> str | None:
    """Return why an identity may not write a role; None if it may."""
    resource = "roles" if place.namespace else "clusterroles"
    if stored is not None and _is_unchanged(role, stored):
        return None
    escalate = request("escalate", RBAC_GROUP, resource, "", place.namespace, place.name)
    if rights.grant(identity, escalate) is not None:
        return None
    gathers = not place.namespace and role.HasField("aggregation_rule")
    wanted = _EVERYTHING if gathers else tuple(Rule.of(rule) for rule in role.rules)
    lacking = _lacking(wanted, rights.held(identity, place.namespace))
    if lacking is None:
        return None
    why = "a role that gathers others may come to hold anything" if gathers else lacking
    return (
        f': it would hold rights that the caller lacks ({why}), and the verb "escalate" is needed'
    )


def _is_unchanged(role: Any, stored: Any) -> bool:
    """Return whether a role allows what it did; by its labels, others may gather its rules."""
    if list(role.rules) != list(stored.rules):
        return False
    if dict(role.metadata.labels) != dict(stored.metadata.labels):
        return False
    return getattr(role, "aggregation_rule", None) == getattr(stored, "aggregation_rule", None)


def binding_denial(
    identity: Identity, rights: Rights, place: Place, binding: Any, stored: Any | None
) -> str | None:
    """Return why an identity may not write a binding; None if it may."""
    if (
        stored is not None
        and list(stored.subjects) == list(binding.subjects)
        and stored.role_ref == binding.role_ref
    ):
        return None
    in_namespace = place.namespace if binding.role_ref.kind == "Role" else ""
    role = Place(in_namespace, binding.role_ref.name)
    resource = "roles" if in_namespace else "clusterroles"
    bind = request("bind", RBAC_GROUP, resource, "", place.namespace, role.name)
    if rights.grant(identity, bind) is not None:
        return None
    needed = f'the verb "bind" on {resource} "{role.name}" is needed'
    if not rights.has_role(role):
        return f": {needed}, as there is no such role yet (make it before, in a call of its own)"
    lacking = _lacking(rights.rules(role), rights.held(identity, place.namespace))
    if lacking is None:
        return None
    return f": the role holds rights that the caller lacks ({lacking}), and {needed}"


def _lacking(wanted: Sequence[Rule], held: Sequence[Rule]) -> str | None:
    """Return some of what ``held`` does not allow of ``wanted``; None if it allows everything."""
    open_ = [rule for rule in wanted if not any(own.covers(rule) for own in held)]
    if not open_:
        return None
    parts = sum(rule.combinations for rule in open_)
    if parts > _PARTS_MAX or parts * len(held) > _COMPARISONS_MAX:
        return f"its rules are {parts} combinations, too many to compare: make smaller roles"
    missing = []
    for rule in open_:
        for part in rule.parts():
            if not any(own.covers(part) for own in held):
                missing.append(str(part))
                if len(missing) > _SHOWN_MAX:
                    return "; ".join([*missing[:_SHOWN_MAX], "and more"])
    return "; ".join(missing) or None
