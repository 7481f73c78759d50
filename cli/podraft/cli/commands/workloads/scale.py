"""`scale`: set how many replicas run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.choosing import choosing
from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind
    from podraft.cli.command_line.choosing import Choice
    from podraft.cli.output.outcomes import Outcomes


@command("scale")
@click.argument("arguments", nargs=-1, metavar="KIND/NAME...", shell_complete=complete_targets)
@click.option("--replicas", type=int, required=True, help="How many pods should run.")
@click.option("--current-replicas", type=int, help="Only if so many are asked for now.")
@click.option("--resource-version", default="", help="Only if it is at this revision.")
@click.option(
    "--timeout", "timeout_s", type=DURATION, default=0.0, help="Wait so long until they run. [0]"
)
@choosing(everywhere=False, fields=False)
@writing_options()
def scale(
    settings: Settings,
    arguments: tuple[str, ...],
    replicas: int,
    current_replicas: int | None,
    resource_version: str,
    timeout_s: float,
    choice: Choice,
    outcomes: Outcomes,
) -> None:
    """Set how many replicas of workloads run."""
    from podraft.cli.command_line.targets import Target, expect_kind, word_of
    from podraft.cli.errors import CliError
    from podraft.cli.plans.shapes import has_replicas, kinds_with
    from podraft.cli.sessions.connection import Session, run
    from podraft.cli.sessions.waiting import Waited, wait_until_running
    from podraft.cli.sessions.writing.changing import Change, change, with_words

    choice = with_words(choice, arguments)
    for target in choice.targets():
        expect_kind(target, kinds_with(has_replicas), "scale")
    waited: list[Waited] = []

    def edit(kind: AnyKind, value: dict[str, Any]) -> None:
        expect_kind(Target(kind), kinds_with(has_replicas), "scale")
        spec, metadata = value.setdefault("spec", {}), value["metadata"]
        present = spec.get("replicas", 1)
        if current_replicas not in (None, present):
            word = word_of(kind, str(metadata.get("name")))
            raise CliError(f"{word}: expected {current_replicas} replicas, it has {present}")
        spec["replicas"] = replicas
        one = Waited(kind, str(metadata.get("namespace", "")), str(metadata.get("name")))
        waited.extend([] if one in waited else [one])

    change(settings, choice, outcomes, Change(edit, "scaled", resource_version))
    if timeout_s and not outcomes.is_dry:

        async def body(session: Session) -> None:
            await wait_until_running(session, waited, timeout_s)

        run(settings, body)
