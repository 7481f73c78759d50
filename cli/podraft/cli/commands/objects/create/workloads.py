"""`create deployment`, `create job`, `create cronjob`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options

if TYPE_CHECKING:
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.sessions.connection import Session

_COMMAND = click.argument("words", nargs=-1, metavar="[-- COMMAND [ARGUMENT]...]")


@command("deployment")
@click.argument("name")
@_COMMAND
@click.option("--image", "images", multiple=True, required=True, help="May be repeated.")
@click.option("-r", "--replicas", type=click.IntRange(min=0), default=1, help="How many pods. [1]")
@click.option("--port", type=click.IntRange(1, 65535), help="The port that the containers have.")
@writing_options()
def deployment(
    settings: Settings,
    name: str,
    words: tuple[str, ...],
    images: tuple[str, ...],
    replicas: int,
    port: int | None,
    outcomes: Outcomes,
) -> None:
    """Make a Deployment."""
    from podraft.cli.plans.made import workloads
    from podraft.cli.plans.made.words import listed
    from podraft.cli.sessions.writing.making import make

    made = workloads.deployment(name, listed(images), replicas, port, words)
    make(settings, [made], outcomes)


@command("job")
@click.argument("name")
@_COMMAND
@click.option("--image", default="", help="The image to run.")
@click.option("--from", "source", default="", metavar="cronjob/NAME", help="Run its template now.")
@writing_options()
def job(
    settings: Settings,
    name: str,
    words: tuple[str, ...],
    image: str,
    source: str,
    outcomes: Outcomes,
) -> None:
    """Make a Job, of an image or of a CronJob's template."""
    from podraft.cli.errors import usage
    from podraft.cli.plans.made import workloads
    from podraft.cli.sessions.writing.making import make

    if bool(image) == bool(source):
        raise usage("say either --image or --from")
    if source and words:
        raise usage("--from takes the command from the CronJob")
    made = (
        workloads.job_of_cron_job(name, _cron_job(settings, source))
        if source
        else workloads.job(name, image, words)
    )
    make(settings, [made], outcomes)


def _cron_job(settings: Settings, source: str) -> dict[str, Any]:
    from podraft.api import codec, kinds
    from podraft.cli.command_line.targets import expect_kind, name_of, one_target
    from podraft.cli.sessions.connection import run

    target = one_target(source)
    known = kinds.BUILT_IN.by_manifest("batch/v1", "CronJob")
    expect_kind(target, [known] if known else [], "--from")

    async def body(session: Session) -> dict[str, Any]:
        resource = session.client.resource(target.kind)
        return codec.to_json(await resource.get(name_of(target), session.namespace))

    return run(settings, body)


@command("cronjob")
@click.argument("name")
@_COMMAND
@click.option("--image", required=True, help="The image to run.")
@click.option("--schedule", required=True, help="When, as cron has it: '*/5 * * * *'.")
@click.option("--restart", type=click.Choice(["OnFailure", "Never"]), default="OnFailure")
@writing_options()
def cronjob(
    settings: Settings,
    name: str,
    words: tuple[str, ...],
    image: str,
    schedule: str,
    restart: str,
    outcomes: Outcomes,
) -> None:
    """Make a CronJob."""
    from podraft.cli.plans.made import workloads
    from podraft.cli.sessions.writing.making import make

    make(settings, [workloads.cron_job(name, image, schedule, restart, words)], outcomes)
