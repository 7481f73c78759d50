"""`set env`: containers' environment variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.choosing import choosing
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind
    from podraft.cli.command_line.choosing import Choice
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.sessions.connection import Session

_Wanted = dict[str, Mapping[str, Any] | None]


@command("env")
@click.argument("arguments", nargs=-1, metavar="KIND/NAME... NAME=VALUE|NAME-|-...")
@click.option("-c", "--containers", default="*", help="Only containers called so. [*]")
@click.option("-e", "--env", "more", multiple=True, metavar="NAME=VALUE", help="A variable.")
@click.option("--from", "source", default="", metavar="configmap/NAME|secret/NAME")
@click.option("--keys", multiple=True, metavar="KEY[,KEY]", help="With --from: only these.")
@click.option("--prefix", default="", help="With --from: what the names begin with.")
@click.option("--list", "lists", is_flag=True, help="Show the variables; change nothing.")
@click.option(
    "--overwrite/--no-overwrite", default=True, help="Whether to change what is set. [true]"
)
@choosing(local=True, everywhere=False, fields=False)
@writing_options()
def env(
    settings: Settings,
    arguments: tuple[str, ...],
    containers: str,
    more: tuple[str, ...],
    source: str,
    keys: tuple[str, ...],
    prefix: str,
    lists: bool,
    overwrite: bool,
    choice: Choice,
    outcomes: Outcomes,
) -> None:
    """Set (NAME=VALUE), remove (NAME-) or show the variables of a workload's containers.

    A - alone reads NAME=VALUE lines from standard input.
    """
    from podraft.cli.errors import usage
    from podraft.cli.plans.edits.environment import set_variables
    from podraft.cli.plans.edits.pod_specs import chosen_containers, pod_spec
    from podraft.cli.sessions.writing.changing import Change, change, with_words

    words, wanted = _split(arguments, more)
    choice = with_words(choice, words)
    if lists:
        if wanted or source:
            raise usage("--list changes nothing")
        _list(settings, choice, containers)
        return
    if source:
        wanted.update(_taken_from(settings, source, prefix, keys))
    if not wanted:
        raise usage("say which variable: NAME=VALUE sets, NAME- removes; or --from, or --list")

    def edit(kind: AnyKind, value: dict[str, Any]) -> None:
        spec = pod_spec(kind, value, "set env")
        for container in chosen_containers(spec, containers, "set env"):
            set_variables(container, wanted, overwrite=overwrite)

    change(settings, choice, outcomes, Change(edit, "env updated"))


def _split(arguments: Sequence[str], more: Sequence[str]) -> tuple[list[str], _Wanted]:
    """Return the words that name objects, and the variables, None for those to remove."""
    from podraft.cli.errors import usage
    from podraft.cli.plans.edits.marks import split

    words, changes = split([one for one in arguments if one != "-"])
    _, others = split(more)
    texts: dict[str, str | None] = {**changes, **others}
    if "-" in arguments:
        texts.update(_of_stdin())
    for name in texts:
        if not name or any(character in name for character in "/ \t"):
            raise usage(f'"{name}" is no name of a variable')
    wanted: _Wanted = {
        name: None if text is None else {"value": text} for name, text in texts.items()
    }
    return words, wanted


def _of_stdin() -> dict[str, str]:
    import os

    from podraft.cli.manifests.sources import read_sources
    from podraft.cli.plans.made.configuration import environment

    ((source, text),) = read_sources(["-"], recursive=False)
    found = environment(text, source, os.environ.get)
    return {name: value.decode() for name, value in found.items()}


def _taken_from(settings: Settings, source: str, prefix: str, keys: Sequence[str]) -> _Wanted:
    """Return the variables that take their values from a ConfigMap or a Secret."""
    from podraft.api import kinds
    from podraft.cli.command_line.targets import expect_kind, name_of, one_target
    from podraft.cli.plans.edits.environment import from_keys
    from podraft.cli.plans.made.words import listed
    from podraft.cli.sessions.connection import run

    target = one_target(source)
    expect_kind(target, (kinds.CONFIG_MAP, kinds.SECRET), "--from")
    name = name_of(target)

    async def body(session: Session) -> list[str]:
        found: Any = await session.client.resource(target.kind).get(name, session.namespace)
        return sorted(found.data)

    return from_keys(target.kind.name, name, run(settings, body), prefix, listed(keys))


def _list(settings: Settings, choice: Choice, pattern: str) -> None:
    from podraft.api import codec
    from podraft.cli.command_line.targets import word_of
    from podraft.cli.errors import usage
    from podraft.cli.plans.edits.environment import lines_of
    from podraft.cli.plans.edits.pod_specs import chosen_containers, pod_spec
    from podraft.cli.sessions import reading
    from podraft.cli.sessions.connection import run
    from podraft.cli.sessions.writing.changing import chosen

    if choice.local:
        raise usage("--list does not go with --local")
    targets = choice.targets()

    async def body(session: Session) -> None:
        found = await chosen(session, choice, targets)
        for one in found:
            for obj in one.objects:
                spec = pod_spec(one.kind, codec.to_json(obj), "set env")
                for container in chosen_containers(spec, pattern, "set env"):
                    word = word_of(one.kind, obj.metadata.name)
                    printing.say(f"# {word}, container {container.get('name')}")
                    printing.say(*lines_of(container))
        reading.complain_of_missing(found, session.namespace)

    run(settings, body)
