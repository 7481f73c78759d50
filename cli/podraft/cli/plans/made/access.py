"""ServiceAccounts, roles and their bindings of a few words.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from podraft.api.kinds import KnownKinds
from podraft.cli.errors import usage
from podraft.cli.plans.made.words import metadata, without_empty

_GROUP: Final = "rbac.authorization.k8s.io"
_VERSION: Final = f"{_GROUP}/v1"


def service_account(name: str) -> dict[str, Any]:
    """Return a ServiceAccount."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name)}


def role(
    kind: str,
    name: str,
    rules: Sequence[Mapping[str, Any]],
    aggregation: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a Role or a ClusterRole, or a ClusterRole that is made of others."""
    made: dict[str, Any] = {"apiVersion": _VERSION, "kind": kind, "metadata": metadata(name)}
    if aggregation:
        made["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": dict(aggregation)}]}
    return {**made, "rules": [dict(rule) for rule in rules]} if rules else made


def rules_of(
    verbs: Sequence[str],
    resources: Sequence[str],
    names: Sequence[str],
    urls: Sequence[str],
    known: KnownKinds,
) -> list[dict[str, Any]]:
    """Return the rules that grant verbs on resources (``pods``, ``deployments.apps/scale``).

    Raises:
        CliError: A part is missing, or a resource is not known.
    """
    if not verbs:
        raise usage("--verb: expected at least one")
    if urls:
        if resources or names:
            raise usage("--non-resource-url does not go with --resource or --resource-name")
        return [{"verbs": list(verbs), "nonResourceURLs": list(urls)}]
    if not resources:
        raise usage("--resource: expected at least one")
    if "*" in resources and len(resources) > 1:
        raise usage('--resource: "*" is everything, and goes with no other')
    groups: dict[str, list[str]] = {}
    for text in resources:
        group, resource = _resource(text, known)
        groups.setdefault(group, []).append(resource)
    return [
        {
            "verbs": list(verbs),
            "apiGroups": [group],
            "resources": list(dict.fromkeys(named)),
            **({"resourceNames": list(names)} if names else {}),
        }
        for group, named in groups.items()
    ]


def _resource(text: str, known: KnownKinds) -> tuple[str, str]:
    """Return the API group and the resource, with its subresource, that a word means."""
    word, slash, part = text.partition("/")
    if word == "*":
        return "*", f"*{slash}{part}"
    kind = known.by_word(word)
    if kind is None:
        raise usage(f'--resource: there is no "{word}"; "podraft api-resources" lists them')
    return kind.group, f"{kind.resource}{slash}{part}"


def binding(
    kind: str, name: str, role_kind: str, role_name: str, subjects: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """Return a RoleBinding or a ClusterRoleBinding."""
    made = {
        "apiVersion": _VERSION,
        "kind": kind,
        "metadata": metadata(name),
        "roleRef": {"apiGroup": _GROUP, "kind": role_kind, "name": role_name},
    }
    return {**made, **without_empty({"subjects": [dict(subject) for subject in subjects]})}


def subjects_of(
    users: Iterable[str], groups: Iterable[str], accounts: Iterable[str]
) -> list[dict[str, str]]:
    """Return who gets a role.

    Raises:
        CliError: A service account is not NAMESPACE:NAME.
    """
    found = [{"apiGroup": _GROUP, "kind": "User", "name": name} for name in users]
    found += [{"apiGroup": _GROUP, "kind": "Group", "name": name} for name in groups]
    for text in accounts:
        namespace, colon, name = text.partition(":")
        if not colon or not namespace or not name or ":" in name:
            raise usage(f'--serviceaccount: expected NAMESPACE:NAME, got "{text}"')
        found.append({"kind": "ServiceAccount", "name": name, "namespace": namespace})
    return found
