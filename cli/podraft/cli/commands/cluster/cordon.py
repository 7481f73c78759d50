"""`cordon` and `uncordon`: set whether new pods may be placed on a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.sessions.completing import complete_nodes

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for decorate in (
        click.option(
            "--dry-run",
            type=click.Choice(["none", "client", "server"]),
            default="none",
            help="Write nothing; 'server' lets the API server check it.",
        ),
        click.option("-l", "--selector", default="", help="The nodes with these labels."),
        click.argument("nodes", nargs=-1, metavar="NODE...", shell_complete=complete_nodes),
    ):
        function = decorate(function)
    return function


@command("cordon")
@_options
def cordon(settings: Settings, nodes: tuple[str, ...], selector: str, dry_run: str) -> None:
    """Keep new pods away from nodes; those that run there stay."""
    _set(settings, nodes, selector, dry_run, unschedulable=True)


@command("uncordon")
@_options
def uncordon(settings: Settings, nodes: tuple[str, ...], selector: str, dry_run: str) -> None:
    """Let new pods onto nodes again."""
    _set(settings, nodes, selector, dry_run, unschedulable=False)


def _set(
    settings: Settings, nodes: Sequence[str], selector: str, dry_run: str, *, unschedulable: bool
) -> None:
    from podraft.cli.command_line.choosing import Choice
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.sessions.writing.changing import Change, change

    word = "cordoned" if unschedulable else "uncordoned"

    def edit(kind: AnyKind, value: dict[str, Any]) -> None:
        spec = value.setdefault("spec", {})
        spec.pop("unschedulable", None)
        if unschedulable:
            spec["unschedulable"] = True

    names = [argument.removeprefix("nodes/").removeprefix("node/") for argument in nodes]
    choice = Choice(("nodes", *names), selector=selector)
    outcomes = Outcomes(dry_run=dry_run, coloured=settings.coloured())
    change(settings, choice, outcomes, Change(edit, word, same=f"already {word}"))
