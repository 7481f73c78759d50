"""`label` and `annotate`: set, remove and list labels and annotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.choosing import choosing
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind
    from podraft.cli.command_line.choosing import Choice
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.sessions.connection import Session

_DONE = {"labels": "labeled", "annotations": "annotated"}


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for decorate in (
        writing_options(),
        choosing(local=True),
        click.option("--resource-version", default="", help="Only if it is at this revision."),
        click.option("--list", "lists", is_flag=True, help="Show them, after the change if any."),
        click.option("--overwrite", is_flag=True, help="Change values that are set already."),
        click.argument(
            "arguments",
            nargs=-1,
            metavar="KIND/NAME... KEY=VALUE|KEY-...",
            shell_complete=complete_targets,
        ),
    ):
        function = decorate(function)
    return function


@command("label")
@_options
def label(
    settings: Settings,
    arguments: tuple[str, ...],
    choice: Choice,
    overwrite: bool,
    lists: bool,
    resource_version: str,
    outcomes: Outcomes,
) -> None:
    """Set labels (KEY=VALUE) or remove them (KEY-)."""
    marks = _Marks("labels", overwrite, lists, resource_version)
    _change(settings, arguments, choice, outcomes, marks)


@command("annotate")
@_options
def annotate(
    settings: Settings,
    arguments: tuple[str, ...],
    choice: Choice,
    overwrite: bool,
    lists: bool,
    resource_version: str,
    outcomes: Outcomes,
) -> None:
    """Set annotations (KEY=VALUE) or remove them (KEY-)."""
    marks = _Marks("annotations", overwrite, lists, resource_version)
    _change(settings, arguments, choice, outcomes, marks)


class _Marks:
    """The field that a command changes, and how."""

    def __init__(self, field: str, overwrite: bool, lists: bool, resource_version: str) -> None:
        self.field = field
        self.overwrite = overwrite
        self.lists = lists
        self.resource_version = resource_version


def _change(
    settings: Settings,
    arguments: Sequence[str],
    choice: Choice,
    outcomes: Outcomes,
    marks: _Marks,
) -> None:
    from podraft.cli.command_line.targets import word_of
    from podraft.cli.errors import usage
    from podraft.cli.plans.edits.marks import mark, split
    from podraft.cli.sessions.writing.changing import Change, change, with_words

    words, changes = split(arguments)
    choice = with_words(choice, words)
    if not changes and not marks.lists:
        raise usage("say what to change: KEY=VALUE sets, KEY- removes")
    if marks.lists and (choice.local or outcomes.is_dry):
        raise usage("--list goes with neither --local nor --dry-run")

    def edit(kind: AnyKind, value: dict[str, Any]) -> None:
        word = word_of(kind, str(value["metadata"].get("name")))
        mark(value, word, marks.field, changes, overwrite=marks.overwrite)

    if changes:
        done = Change(edit, _DONE[marks.field], marks.resource_version)
        change(settings, choice, outcomes, done)
    if marks.lists:
        _list(settings, choice, marks.field)


def _list(settings: Settings, choice: Choice, field: str) -> None:
    from podraft.cli.command_line.targets import word_of
    from podraft.cli.sessions import reading
    from podraft.cli.sessions.connection import run
    from podraft.cli.sessions.writing.changing import chosen

    targets = choice.targets()

    async def body(session: Session) -> None:
        found = await chosen(session, choice, targets)
        several = sum(len(one.objects) for one in found) > 1
        for one in found:
            for obj in one.objects:
                if several:
                    printing.say(f"Listing {field} for {word_of(one.kind, obj.metadata.name)}:")
                marks = getattr(obj.metadata, field)
                printing.say(*(f"{' ' * several}{key}={marks[key]}" for key in sorted(marks)))
        reading.complain_of_missing(found, session.namespace)

    run(settings, body)
