"""`set selector`, `set serviceaccount`, `set subject`: which other objects are meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.choosing import choosing
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind
    from podraft.cli.command_line.choosing import Choice
    from podraft.cli.output.outcomes import Outcomes


@command("selector")
@click.argument("arguments", nargs=-1, metavar="service/NAME LABEL=VALUE[,LABEL=VALUE]")
@click.option("--resource-version", default="", help="Only if it is at this revision.")
@choosing(local=True, everywhere=False, fields=False)
@writing_options()
def selector(
    settings: Settings,
    arguments: tuple[str, ...],
    resource_version: str,
    choice: Choice,
    outcomes: Outcomes,
) -> None:
    """Set which pods a Service means, in place of those before."""
    from podraft.api import kinds
    from podraft.cli.errors import CliError, usage
    from podraft.cli.plans.made.words import pairs
    from podraft.cli.sessions.writing.changing import Change, change, with_words

    words = [argument for argument in arguments if "=" not in argument]
    labels = pairs([argument for argument in arguments if "=" in argument], "the selector")
    if not labels:
        raise usage("say which labels: LABEL=VALUE[,LABEL=VALUE]")

    def edit(kind: AnyKind, value: dict[str, Any]) -> None:
        if kind is not kinds.SERVICE:
            raise CliError(f"set selector works on a Service, not on a {kind.name}")
        value.setdefault("spec", {})["selector"] = labels

    done = Change(edit, "selector updated", resource_version)
    change(settings, with_words(choice, words), outcomes, done)


@command("serviceaccount")
@click.argument("arguments", nargs=-1, required=True, metavar="KIND/NAME... ACCOUNT")
@choosing(local=True, everywhere=False, fields=False)
@writing_options()
def serviceaccount(
    settings: Settings, arguments: tuple[str, ...], choice: Choice, outcomes: Outcomes
) -> None:
    """Set the service account of a workload's pods."""
    from podraft.cli.plans.edits.pod_specs import pod_spec
    from podraft.cli.sessions.writing.changing import Change, change, with_words

    *words, account = arguments

    def edit(kind: AnyKind, value: dict[str, Any]) -> None:
        spec = pod_spec(kind, value, "set serviceaccount")
        spec["serviceAccountName"] = account
        spec.pop("serviceAccount", None)

    done = Change(edit, "serviceaccount updated")
    change(settings, with_words(choice, words), outcomes, done)


@command("subject")
@click.argument("arguments", nargs=-1, metavar="rolebinding/NAME|clusterrolebinding/NAME...")
@click.option("--user", "users", multiple=True, help="A user.")
@click.option("--group", "groups", multiple=True, help="A group of users.")
@click.option("--serviceaccount", "accounts", multiple=True, metavar="NAMESPACE:NAME")
@choosing(local=True, everywhere=False, fields=False)
@writing_options()
def subject(
    settings: Settings,
    arguments: tuple[str, ...],
    users: tuple[str, ...],
    groups: tuple[str, ...],
    accounts: tuple[str, ...],
    choice: Choice,
    outcomes: Outcomes,
) -> None:
    """Add to those who have a role by a binding."""
    from podraft.cli.errors import CliError, usage
    from podraft.cli.plans.made.access import subjects_of
    from podraft.cli.plans.made.words import listed
    from podraft.cli.sessions.writing.changing import Change, change, with_words

    wanted = subjects_of(listed(users), listed(groups), listed(accounts))
    if not wanted:
        raise usage("say who: --user, --group or --serviceaccount")

    def edit(kind: AnyKind, value: dict[str, Any]) -> None:
        if "roleRef" not in value:
            raise CliError(f"set subject works on a binding of a role, not on a {kind.name}")
        present = value.get("subjects", [])
        value["subjects"] = [*present, *(one for one in wanted if one not in present)]

    change(settings, with_words(choice, arguments), outcomes, Change(edit, "subjects updated"))
