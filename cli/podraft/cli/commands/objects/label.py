"""`label` and `annotate`: set and remove labels and annotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session

_Changes = dict[str, str | None]


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for decorate in (
        click.option("--overwrite", is_flag=True, help="Change values that are set already."),
        click.option("--all", "everything", is_flag=True, help="All objects of the kind."),
        click.option("-l", "--selector", default="", help="The objects with these labels."),
        click.argument("arguments", nargs=-1, metavar="KIND/NAME... KEY=VALUE|KEY-..."),
    ):
        function = decorate(function)
    return function


@command("label")
@_options
def label(
    settings: Settings,
    arguments: tuple[str, ...],
    selector: str,
    everything: bool,
    overwrite: bool,
) -> None:
    """Set labels (KEY=VALUE) or remove them (KEY-)."""
    _change(settings, arguments, selector, "labels", everything=everything, overwrite=overwrite)


@command("annotate")
@_options
def annotate(
    settings: Settings,
    arguments: tuple[str, ...],
    selector: str,
    everything: bool,
    overwrite: bool,
) -> None:
    """Set annotations (KEY=VALUE) or remove them (KEY-)."""
    _change(
        settings, arguments, selector, "annotations", everything=everything, overwrite=overwrite
    )


def split(arguments: Sequence[str]) -> tuple[list[str], _Changes]:
    """Return the words that name objects, and the changes, in which None removes a key.

    Raises:
        CliError: There is no change, or a key is changed twice.
    """
    from podraft.cli.errors import usage

    words, changes = [], _Changes()
    for argument in arguments:
        key, equals, value = argument.partition("=")
        removes = not equals and argument.endswith("-")
        if not equals and not removes:
            words.append(argument)
            continue
        key = key.removesuffix("-") if removes else key
        if key in changes:
            raise usage(f'"{key}" is changed twice')
        changes[key] = None if removes else value
    if not changes:
        raise usage("say what to change: KEY=VALUE sets, KEY- removes")
    return words, changes


def _change(
    settings: Settings,
    arguments: Sequence[str],
    selector: str,
    field: str,
    *,
    everything: bool,
    overwrite: bool,
) -> None:
    from podraft.cli.command_line.targets import parse_targets
    from podraft.cli.errors import usage
    from podraft.cli.sessions import reading
    from podraft.cli.sessions.connection import run

    words, changes = split(arguments)
    targets = parse_targets(words)
    if any(target.name is None for target in targets) and not selector and not everything:
        raise usage("name the objects, select them with -l, or say --all")

    async def body(session: Session) -> None:
        query = reading.Query(session.namespace, selector)
        found = await reading.read(session, targets, query)
        for one in found:
            for obj in one.objects:
                await _patch(session, obj, field, changes, overwrite=overwrite)
        reading.complain_of_missing(found, session.namespace)

    run(settings, body)


async def _patch(
    session: Session, obj: Any, field: str, changes: Mapping[str, str | None], *, overwrite: bool
) -> None:
    from podraft.api import kinds
    from podraft.cli.command_line.targets import word_of
    from podraft.cli.errors import CliError

    kind, metadata = kinds.BUILT_IN.of(obj), obj.metadata
    word = word_of(kind, metadata.name)
    present = getattr(metadata, field)
    needed = {key: value for key, value in changes.items() if present.get(key) != value}
    for key, value in needed.items():
        if key in present and value is not None and not overwrite:
            raise CliError(
                f'{word}: {field} has {key}="{present[key]}" already; --overwrite changes it'
            )
    if needed:
        await session.client.resource(kind).patch(
            metadata.name, {"metadata": {field: needed}}, metadata.namespace, uid=metadata.uid
        )
    done = "labeled" if field == "labels" else "annotated"
    printing.say(f"{word} {done if needed else 'unchanged'}")
