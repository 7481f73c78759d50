"""`taint`: set and remove nodes' taints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options
from podraft.cli.sessions.completing import complete_nodes

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind
    from podraft.cli.output.outcomes import Outcomes


@command("taint")
@click.argument(
    "arguments",
    nargs=-1,
    metavar="NODE... KEY[=VALUE]:EFFECT|KEY[:EFFECT]-...",
    shell_complete=complete_nodes,
)
@click.option("-l", "--selector", default="", help="The nodes with these labels.")
@click.option("--all", "everything", is_flag=True, help="All nodes.")
@click.option("--overwrite", is_flag=True, help="Change taints that are set already.")
@writing_options()
def taint(
    settings: Settings,
    arguments: tuple[str, ...],
    selector: str,
    everything: bool,
    overwrite: bool,
    outcomes: Outcomes,
) -> None:
    """Keep pods away from nodes, or let them come again.

    \b
    podraft taint node-1 disk=slow:NoSchedule       podraft taint node-1 disk-
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.api import kinds
    from podraft.cli.command_line.choosing import Choice
    from podraft.cli.command_line.targets import word_of
    from podraft.cli.plans.edits import taints
    from podraft.cli.sessions.writing.changing import Change, change

    words, changes = taints.split(arguments)
    if words[:1] and kinds.BUILT_IN.by_word(words[0]) is kinds.NODE:
        words = words[1:]  # As kubectl wants it: taint nodes node-1 …
    names = [word.removeprefix("nodes/").removeprefix("node/") for word in words]
    choice = Choice(("nodes", *names), selector=selector, everything=everything)

    def edit(kind: AnyKind, value: dict[str, Any]) -> None:
        word = word_of(kind, str(value["metadata"].get("name")))
        taints.taint(value, word, changes, overwrite=overwrite)

    only_removes = all(one.removes for one in changes)
    done = "untainted" if only_removes else "modified" if overwrite else "tainted"
    change(settings, choice, outcomes, Change(edit, done))
