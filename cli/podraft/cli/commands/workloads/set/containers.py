"""`set image`, `set resources`: what containers are, and may take."""

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


@command("image")
@click.argument("arguments", nargs=-1, required=True, metavar="KIND/NAME CONTAINER=IMAGE...")
@choosing(local=True, everywhere=False, fields=False)
@writing_options()
def image(
    settings: Settings, arguments: tuple[str, ...], choice: Choice, outcomes: Outcomes
) -> None:
    """Set the images of containers by name, which rolls a workload out anew.

    \b
    podraft set image deployment/web web=nginx:1.27      '*=IMAGE' means every container
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.cli.plans.edits.pod_specs import chosen_containers, pod_spec
    from podraft.cli.plans.images import images_of
    from podraft.cli.sessions.writing.changing import Change, change, with_words

    words = [argument for argument in arguments if "=" not in argument]
    images = images_of([argument for argument in arguments if "=" in argument])

    def edit(kind: AnyKind, value: dict[str, Any]) -> None:
        spec = pod_spec(kind, value, "set image")
        for name, image_name in images.items():
            for container in chosen_containers(spec, name, "set image"):
                container["image"] = image_name

    change(settings, with_words(choice, words), outcomes, Change(edit, "image updated"))


@command("resources")
@click.argument("arguments", nargs=-1, metavar="KIND/NAME...")
@click.option("-c", "--containers", default="*", help="Only containers called so. [*]")
@click.option("--limits", default="", metavar="cpu=1,memory=1Gi", help="What they may take.")
@click.option("--requests", default="", metavar="cpu=1,memory=1Gi", help="What they ask for.")
@choosing(local=True, everywhere=False, fields=False)
@writing_options()
def resources(
    settings: Settings,
    arguments: tuple[str, ...],
    containers: str,
    limits: str,
    requests: str,
    choice: Choice,
    outcomes: Outcomes,
) -> None:
    """Set what containers ask for, and may take."""
    from podraft.cli.errors import usage
    from podraft.cli.plans.edits.amounts import amounts_of, set_amounts
    from podraft.cli.plans.edits.pod_specs import chosen_containers, pod_spec
    from podraft.cli.sessions.writing.changing import Change, change, with_words

    if not limits and not requests:
        raise usage("say --limits or --requests")
    most, asked = amounts_of(limits, "--limits"), amounts_of(requests, "--requests")

    def edit(kind: AnyKind, value: dict[str, Any]) -> None:
        spec = pod_spec(kind, value, "set resources")
        for container in chosen_containers(spec, containers, "set resources"):
            set_amounts(container, most, asked)

    done = Change(edit, "resource requirements updated")
    change(settings, with_words(choice, arguments), outcomes, done)
