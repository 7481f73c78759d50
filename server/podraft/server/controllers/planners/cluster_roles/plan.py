"""The decisions about ClusterRoles that gather others: they show the rules that they give.

Owns: the field ``rules`` of such a role.  Calls are decided by the gathered roles themselves; this
is for whoever reads the role.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from podraft.api.kinds import CLUSTER_ROLE
from podraft.api.moments import Now
from podraft.api.rbac.v1.cluster_role_pb2 import ClusterRole
from podraft.api.rbac.v1.rules_pb2 import PolicyRule
from podraft.api.selectors.labels import LabelSelector, label_selector_of
from podraft.api.violations import InvalidObjectError
from podraft.client.calls import writes
from podraft.server.controllers.core.plan import ObjectKey, Plan, Snapshot

# As many as a role may have.
_RULES_MAX: Final = 1000


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Write the rules of all roles that a role gathers into it, if they are others."""
    role = snapshot.get(CLUSTER_ROLE, key.name)
    if role is None or not role.HasField("aggregation_rule"):
        return Plan()
    gathered = _gathered(role, snapshot.list(CLUSTER_ROLE))
    if gathered == list(role.rules):
        return Plan()
    changed = ClusterRole()
    changed.CopyFrom(role)
    del changed.rules[:]
    changed.rules.extend(gathered)
    return Plan((writes.update(changed),))


def _gathered(role: ClusterRole, roles: Sequence[ClusterRole]) -> list[PolicyRule]:
    """Return the different rules of the roles that a role leads to, in the order of their names."""
    by_name = {each.metadata.name: each for each in roles}
    found: dict[bytes, PolicyRule] = {}
    for name in sorted(_led_to(role, by_name)):
        for rule in by_name[name].rules:
            found.setdefault(rule.SerializeToString(deterministic=True), rule)
    return list(found.values())[:_RULES_MAX]


def _led_to(role: ClusterRole, by_name: dict[str, ClusterRole]) -> set[str]:
    """Return the names of the roles that hold the gathered rules themselves; circles end."""
    seen, ahead, found = {role.metadata.name}, [role], set[str]()
    while ahead:
        selectors = list(_selectors(ahead.pop()))
        for name, other in by_name.items():
            if name in seen or not any(each.matches(other.metadata.labels) for each in selectors):
                continue
            seen.add(name)
            if other.HasField("aggregation_rule"):
                ahead.append(other)
            else:
                found.add(name)
    return found


def _selectors(role: ClusterRole) -> Iterator[LabelSelector]:
    for selector in role.aggregation_rule.cluster_role_selectors:
        try:
            yield label_selector_of(selector)
        except InvalidObjectError:
            continue  # It selects nothing.
