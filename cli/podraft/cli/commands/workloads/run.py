"""`run`: run an image in a pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options

if TYPE_CHECKING:
    from podraft.cli.output.outcomes import Outcomes


@command("run")
@click.argument("name")
@click.argument("words", nargs=-1, metavar="[-- ARGUMENT...]")
@click.option("--image", required=True, help="The image to run.")
@click.option("--command", "are_command", is_flag=True, help="What follows -- is the command.")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="May be repeated.")
@click.option("-l", "--labels", default="", metavar="LABEL=VALUE,...", help="[run=NAME]")
@click.option("--annotations", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port that the container has.")
@click.option("--expose", is_flag=True, help="Make a Service for --port, too.")
@click.option("--restart", type=click.Choice(["Always", "OnFailure", "Never"]), default="Always")
@click.option("--image-pull-policy", type=click.Choice(["Always", "IfNotPresent", "Never"]))
@click.option("--privileged", is_flag=True, help="Give the container all rights on its node.")
@click.option("-i", "--stdin", is_flag=True, help="Keep the container's standard input open.")
@click.option("-t", "--tty", is_flag=True, help="Give the container a terminal.")
@click.option("--overrides", default="", metavar="JSON", help="A merge patch of what is made.")
@writing_options()
def run(
    settings: Settings,
    name: str,
    words: tuple[str, ...],
    image: str,
    are_command: bool,
    variables: tuple[str, ...],
    labels: str,
    annotations: tuple[str, ...],
    port: int | None,
    expose: bool,
    restart: str,
    image_pull_policy: str | None,
    privileged: bool,
    stdin: bool,
    tty: bool,
    overrides: str,
    outcomes: Outcomes,
) -> None:
    """Run an image in a pod.

    \b
    podraft run web --image=nginx --port=80 --expose
    podraft run once --image=busybox --restart=Never -- date
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.cli.errors import usage
    from podraft.cli.plans.made import networking, workloads
    from podraft.cli.plans.made.overrides import overridden
    from podraft.cli.plans.made.words import pairs
    from podraft.cli.sessions.writing.making import make

    if expose and not port:
        raise usage("--expose: say --port, too")
    if are_command and not words:
        raise usage("--command: say which, after --")
    said = workloads.PodWords(
        image,
        words,
        are_command,
        environment=_variables(variables),
        labels=pairs([labels], "--labels"),
        annotations=dict(_pair(text, "--annotations") for text in annotations),
        port=port,
        restart=restart,
        pull=image_pull_policy or "",
        privileged=privileged,
        stdin=stdin,
        stdin_once=stdin,
        tty=tty,
    )
    pod = overridden(workloads.pod(name, said), overrides)
    made = [pod]
    if expose:
        chosen = pod["metadata"].get("labels", {})
        made.append(networking.exposing(name, chosen, {}, [(str(port), "TCP")]))
    make(settings, made, outcomes)


def _variables(texts: tuple[str, ...]) -> dict[str, str]:
    return dict(_pair(text, "--env") for text in texts)


def _pair(text: str, option: str) -> tuple[str, str]:
    from podraft.cli.errors import usage

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise usage(f'{option}: expected NAME=VALUE, got "{text}"')
    return name, value
