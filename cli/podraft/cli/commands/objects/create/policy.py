"""`create quota`, `create priorityclass`, `create poddisruptionbudget`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options

if TYPE_CHECKING:
    from podraft.cli.output.outcomes import Outcomes


@command("quota")
@click.argument("name")
@click.option("--hard", multiple=True, metavar="NAME=AMOUNT,...", help="The most of each: cpu=4.")
@click.option("--scopes", multiple=True, metavar="SCOPE,...", help="Which pods are counted.")
@writing_options()
def quota(
    settings: Settings,
    name: str,
    hard: tuple[str, ...],
    scopes: tuple[str, ...],
    outcomes: Outcomes,
) -> None:
    """Make a ResourceQuota."""
    from podraft.cli.plans.made import policy
    from podraft.cli.plans.made.words import listed, pairs
    from podraft.cli.sessions.writing.making import make

    make(settings, [policy.quota(name, pairs(hard, "--hard"), listed(scopes))], outcomes)


@command("priorityclass")
@click.argument("name")
@click.option("--value", type=int, default=0, help="The more, the sooner. [0]")
@click.option("--global-default", is_flag=True, help="For pods that name no class.")
@click.option("--description", default="", help="What it is for.")
@click.option(
    "--preemption-policy",
    type=click.Choice(["PreemptLowerPriority", "Never"]),
    help="Whether its pods may drive out less important ones.",
)
@writing_options()
def priorityclass(
    settings: Settings,
    name: str,
    value: int,
    global_default: bool,
    description: str,
    preemption_policy: str | None,
    outcomes: Outcomes,
) -> None:
    """Make a PriorityClass."""
    from podraft.cli.plans.made import policy
    from podraft.cli.sessions.writing.making import make

    made = policy.priority_class(
        name, value, description, preemption_policy, is_default=global_default
    )
    make(settings, [made], outcomes)


@command("poddisruptionbudget")
@click.argument("name")
@click.option("--selector", required=True, help="The pods' labels.")
@click.option("--min-available", default="", metavar="N|N%", help="So many must remain.")
@click.option("--max-unavailable", default="", metavar="N|N%", help="So many may be missing.")
@writing_options()
def poddisruptionbudget(
    settings: Settings,
    name: str,
    selector: str,
    min_available: str,
    max_unavailable: str,
    outcomes: Outcomes,
) -> None:
    """Make a PodDisruptionBudget."""
    from podraft.cli.plans.made import policy
    from podraft.cli.plans.made.words import pairs
    from podraft.cli.sessions.writing.making import make

    chosen = {"matchLabels": pairs([selector], "--selector")}
    made = policy.disruption_budget(name, chosen, min_available, max_unavailable)
    make(settings, [made], outcomes)
