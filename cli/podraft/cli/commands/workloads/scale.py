"""`scale`: set how many replicas run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session


@command("scale")
@click.argument("target", nargs=-1, required=True, metavar="deployment/NAME...")
@click.option("--replicas", type=int, required=True, help="How many pods should run.")
@click.option("--current-replicas", type=int, help="Only if so many are asked for now.")
def scale(
    settings: Settings, target: tuple[str, ...], replicas: int, current_replicas: int | None
) -> None:
    """Set how many replicas of deployments or replica sets run."""
    from podraft.cli.command_line.targets import expect_kind, name_of, parse_targets, word_of
    from podraft.cli.errors import CliError
    from podraft.cli.plans.shapes import has_replicas, kinds_with
    from podraft.cli.sessions.connection import run

    targets = parse_targets(target)
    for one in targets:
        expect_kind(one, kinds_with(has_replicas), "scale")
        name_of(one)

    async def body(session: Session) -> None:
        for one in targets:
            name, resource = name_of(one), session.client.resource(one.kind)
            live = await resource.get(name, session.namespace)
            if current_replicas is not None and live.spec.replicas != current_replicas:
                raise CliError(
                    f"{word_of(one.kind, name)}: expected {current_replicas} replicas, "
                    f"it has {live.spec.replicas}"
                )
            guard = live.metadata.resource_version if current_replicas is not None else None
            await resource.patch(
                name,
                {"spec": {"replicas": replicas}},
                session.namespace,
                uid=live.metadata.uid,
                resource_version=guard,
            )
            printing.say(f"{word_of(one.kind, name)} scaled")

    run(settings, body)
