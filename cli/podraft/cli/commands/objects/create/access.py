"""`create role`, `clusterrole`, `rolebinding`, `clusterrolebinding`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options

if TYPE_CHECKING:
    from podraft.cli.output.outcomes import Outcomes


def _rule(function: Callable[..., Any]) -> Callable[..., Any]:
    for decorate in (
        click.option("--resource-name", "names", multiple=True, help="Of these objects only."),
        click.option("--resource", "resources", multiple=True, help="pods, deployments.apps/scale"),
        click.option("--verb", "verbs", multiple=True, help="get, list, watch, create, ..."),
    ):
        function = decorate(function)
    return function


def _subjects(function: Callable[..., Any]) -> Callable[..., Any]:
    for decorate in (
        click.option("--serviceaccount", "accounts", multiple=True, metavar="NAMESPACE:NAME"),
        click.option("--group", "groups", multiple=True, help="A group of users."),
        click.option("--user", "users", multiple=True, help="A user."),
    ):
        function = decorate(function)
    return function


@command("role")
@click.argument("name")
@_rule
@writing_options()
def role(
    settings: Settings,
    name: str,
    verbs: tuple[str, ...],
    resources: tuple[str, ...],
    names: tuple[str, ...],
    outcomes: Outcomes,
) -> None:
    """Make a Role: rights within a namespace."""
    from podraft.api import kinds
    from podraft.cli.plans.made import access
    from podraft.cli.plans.made.words import listed
    from podraft.cli.sessions.writing.making import make

    rules = access.rules_of(listed(verbs), listed(resources), listed(names), (), kinds.BUILT_IN)
    make(settings, [access.role("Role", name, rules)], outcomes)


@command("clusterrole")
@click.argument("name")
@_rule
@click.option("--non-resource-url", "urls", multiple=True, help="A path that is no object's.")
@click.option("--aggregation-rule", "aggregation", multiple=True, metavar="LABEL=VALUE")
@writing_options()
def clusterrole(
    settings: Settings,
    name: str,
    verbs: tuple[str, ...],
    resources: tuple[str, ...],
    names: tuple[str, ...],
    urls: tuple[str, ...],
    aggregation: tuple[str, ...],
    outcomes: Outcomes,
) -> None:
    """Make a ClusterRole: rights in the whole cluster."""
    from podraft.api import kinds
    from podraft.cli.errors import usage
    from podraft.cli.plans.made import access
    from podraft.cli.plans.made.words import listed, pairs
    from podraft.cli.sessions.writing.making import make

    if aggregation:
        if verbs or resources or names or urls:
            raise usage("--aggregation-rule takes the rights of other roles, and none of its own")
        labels = pairs(aggregation, "--aggregation-rule")
        make(settings, [access.role("ClusterRole", name, (), labels)], outcomes)
        return
    rules = access.rules_of(
        listed(verbs), listed(resources), listed(names), listed(urls), kinds.BUILT_IN
    )
    make(settings, [access.role("ClusterRole", name, rules)], outcomes)


@command("rolebinding")
@click.argument("name")
@click.option("--role", "role_name", default="", help="The Role that is granted.")
@click.option("--clusterrole", default="", help="Or the ClusterRole.")
@_subjects
@writing_options()
def rolebinding(
    settings: Settings,
    name: str,
    role_name: str,
    clusterrole: str,
    users: tuple[str, ...],
    groups: tuple[str, ...],
    accounts: tuple[str, ...],
    outcomes: Outcomes,
) -> None:
    """Make a RoleBinding: who has a role's rights in a namespace."""
    from podraft.cli.errors import usage
    from podraft.cli.plans.made import access
    from podraft.cli.plans.made.words import listed
    from podraft.cli.sessions.writing.making import make

    if bool(role_name) == bool(clusterrole):
        raise usage("say either --role or --clusterrole")
    subjects = access.subjects_of(listed(users), listed(groups), listed(accounts))
    kind = "Role" if role_name else "ClusterRole"
    made = access.binding("RoleBinding", name, kind, role_name or clusterrole, subjects)
    make(settings, [made], outcomes)


@command("clusterrolebinding")
@click.argument("name")
@click.option("--clusterrole", required=True, help="The ClusterRole that is granted.")
@_subjects
@writing_options()
def clusterrolebinding(
    settings: Settings,
    name: str,
    clusterrole: str,
    users: tuple[str, ...],
    groups: tuple[str, ...],
    accounts: tuple[str, ...],
    outcomes: Outcomes,
) -> None:
    """Make a ClusterRoleBinding: who has a role's rights in the whole cluster."""
    from podraft.cli.plans.made import access
    from podraft.cli.plans.made.words import listed
    from podraft.cli.sessions.writing.making import make

    subjects = access.subjects_of(listed(users), listed(groups), listed(accounts))
    made = access.binding("ClusterRoleBinding", name, "ClusterRole", clusterrole, subjects)
    make(settings, [made], outcomes)
