"""`events`: list what happened to objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.output_options import output_options
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.cli.output.formats import Format
    from podraft.cli.sessions.connection import Session

_TYPES = ("Normal", "Warning")


@command("events")
@click.option(
    "--for", "about", default="", metavar="KIND/NAME", shell_complete=complete_targets,
    help="Only what happened to one object.",
)  # fmt: skip
@click.option("--types", multiple=True, metavar="Normal|Warning", help="Only events of a type.")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="Show those that happen from now on, too.")
@click.option("--no-headers", is_flag=True, help="Leave the line of headers out.")
@click.option("--chunk-size", type=click.IntRange(min=0), default=500, help="Events asked at once.")
@output_options()
def events(
    settings: Settings,
    about: str,
    types: tuple[str, ...],
    all_namespaces: bool,
    watch: bool,
    no_headers: bool,
    chunk_size: int,
    output: Format,
) -> None:
    """List what happened to objects, the newest last."""
    from podraft.api import kinds
    from podraft.api.columns import table_of
    from podraft.cli.command_line.targets import Target
    from podraft.cli.output.listing import Listing
    from podraft.cli.sessions.connection import run

    selector = ",".join([*_about(about), *_of_types(types)])
    listing = Listing(
        with_namespace=all_namespaces, headers=not no_headers, coloured=settings.coloured()
    )

    async def body(session: Session) -> None:
        from podraft.cli.sessions import reading
        from podraft.cli.sessions.following import Followed, show_changes

        target = Target(kinds.EVENT)
        query = reading.Query(session.namespace, "", selector, all_namespaces, chunk_size)
        (found,) = await reading.read(session, [target], query)
        order = table_of(kinds.EVENT).order
        if order is not None:
            found.objects.sort(key=order)
        if output.is_for_names:
            printing.data(
                "".join(f"event.events.k8s.io/{e.metadata.name}\n" for e in found.objects)
            )
        elif not output.is_table:
            printing.data(output.of_objects(found.objects, single=False))
        elif found.objects:
            printing.text(listing.table(kinds.EVENT, found.objects, session.now_s()))
        elif not watch:
            where = "" if all_namespaces else f" in {session.namespace} namespace"
            printing.say(f"No events found{where}.", err=True)
        if watch:
            await show_changes(session, Followed(found, target, query, output, listing))

    run(settings, body)


def _about(word: str) -> Sequence[str]:
    """Return the terms of a field selector for the events about one object."""
    from podraft.cli.command_line.targets import name_of, one_target

    if not word:
        return ()
    target = one_target(word)
    return (f"regarding.kind={target.kind.name}", f"regarding.name={name_of(target)}")


def _of_types(texts: Sequence[str]) -> Sequence[str]:
    """Return the terms of a field selector for events of some types.

    Raises:
        CliError: There is no such type.
    """
    from podraft.cli.errors import usage
    from podraft.cli.plans.made.words import listed

    wanted = {text.capitalize() for text in listed(texts)}
    if unknown := wanted.difference(_TYPES):
        raise usage(f"--types: {unknown.pop()} is not one of {', '.join(_TYPES)}")
    return () if len(wanted) != 1 else (f"type={wanted.pop()}",)
