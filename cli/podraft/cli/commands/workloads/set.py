"""`set image`: change the images of a workload's containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import Group
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session

command = Group("set", help="Change one thing of a deployment.")
_TRIES_MAX = 5


@command.add("image")
@click.argument("arguments", nargs=-1, required=True, metavar="deployment/NAME CONTAINER=IMAGE...")
@click.option("--dry-run", is_flag=True, help="Let the API server check it; nothing is written.")
def image(settings: Settings, arguments: tuple[str, ...], dry_run: bool) -> None:
    """Set the images of containers by name, which rolls the deployment out anew.

    \b
    podraft set image deployment/web web=nginx:1.27      '*=IMAGE' means every container
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.cli.command_line.targets import expect_kind, name_of, one_target, word_of
    from podraft.cli.errors import usage
    from podraft.cli.plans.images import images_of, with_images
    from podraft.cli.plans.shapes import has_template, kinds_with
    from podraft.cli.sessions.connection import run
    from podraft.client.errors import ConflictError

    words = [argument for argument in arguments if "=" not in argument]
    images = images_of([argument for argument in arguments if "=" in argument])
    if not words:
        raise usage("say what to change: deployment/NAME CONTAINER=IMAGE")
    target = one_target(*words)
    expect_kind(target, kinds_with(has_template), "set image")
    name = name_of(target)

    async def change(session: Session) -> None:
        resource = session.client.resource(target.kind)
        live = await resource.get(name, session.namespace)
        changed = with_images(live, images)
        word = word_of(target.kind, name)
        if changed == live:
            printing.say(f"{word} unchanged")
            return
        await resource.update(changed, dry_run=dry_run)
        printing.say(f"{word} image updated{' (server dry run)' if dry_run else ''}")

    async def body(session: Session) -> None:
        for _ in range(_TRIES_MAX - 1):
            try:
                return await change(session)
            except ConflictError:
                continue  # Somebody else wrote in between: read again.
        return await change(session)

    run(settings, body)
