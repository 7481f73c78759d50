"""`autoscale`: make an autoscaler for a workload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.manifest_options import manifest_options
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.sessions.connection import Session


@command("autoscale")
@click.argument(
    "arguments", nargs=-1, metavar="KIND NAME|KIND/NAME", shell_complete=complete_targets
)
@manifest_options(required=False, text="The workloads that these manifests name.")
@click.option("--name", default="", help="The autoscaler's name. [the workload's]")
@click.option("--min", "fewest", type=click.IntRange(min=1), help="The fewest pods.")
@click.option("--max", "most", type=click.IntRange(min=1), required=True, help="The most pods.")
@click.option("--cpu", default="", metavar="N%|AMOUNT", help="What pods should use of it.")
@click.option("--memory", default="", metavar="N%|AMOUNT", help="What pods should use of it.")
@click.option("--cpu-percent", type=click.IntRange(min=1), help="The same as --cpu=N%.")
@writing_options()
def autoscale(
    settings: Settings,
    arguments: tuple[str, ...],
    files: tuple[str, ...],
    recursive: bool,
    name: str,
    fewest: int | None,
    most: int,
    cpu: str,
    memory: str,
    cpu_percent: int | None,
    outcomes: Outcomes,
) -> None:
    """Make an autoscaler, which sets how many pods a workload has by what they use."""
    from podraft.cli.command_line.choosing import Choice
    from podraft.cli.command_line.targets import Target, expect_kind, word_of
    from podraft.cli.errors import usage
    from podraft.cli.plans.made.policy import autoscaler
    from podraft.cli.plans.shapes import has_replicas, kinds_with
    from podraft.cli.sessions.connection import run
    from podraft.cli.sessions.writing.changing import chosen
    from podraft.cli.sessions.writing.making import create_all, items_of

    if cpu_percent is not None and cpu:
        raise usage("--cpu-percent is --cpu with a percentage: say one of them")
    aim = f"{cpu_percent}%" if cpu_percent is not None else cpu
    choice = Choice(arguments, files, recursive)
    targets = choice.targets()

    async def body(session: Session) -> None:
        from podraft.cli.sessions import reading

        found = await chosen(session, choice, targets)
        reading.complain_of_missing(found, session.namespace)
        made = []
        for one in found:
            expect_kind(Target(one.kind), kinds_with(has_replicas), "autoscale")
            for obj in one.objects:
                called = obj.metadata.name
                target = {"apiVersion": one.kind.api_version, "kind": one.kind.name, "name": called}
                scaler = autoscaler(name or called, target, (fewest, most), aim, memory)
                scaler["metadata"]["namespace"] = obj.metadata.namespace
                made.append((scaler, word_of(one.kind, called)))
        items = items_of(settings, [scaler for scaler, _ in made], outcomes)
        if not outcomes.is_local:
            await create_all(session, items, outcomes, done="autoscaled")
            return
        for item in items:
            outcomes.tell(item.word, "autoscaled", item.message)

    run(settings, body)
