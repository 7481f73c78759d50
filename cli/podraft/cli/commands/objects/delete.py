"""`delete`: delete objects and wait until they are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.manifest_options import manifest_options
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.api import kinds
    from podraft.cli.command_line.targets import Target
    from podraft.cli.sessions.connection import Session
    from podraft.cli.sessions.reading import Query

_DELETES_AT_ONCE = 16
_NOTES = {"none": "", "client": " (dry run)", "server": " (server dry run)"}


@dataclass(frozen=True, slots=True)
class _Victim:
    kind: kinds.AnyKind
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _How:
    grace_s: int | None
    propagation: Any
    ignore_not_found: bool
    dry_run: str


@command("delete")
@click.argument(
    "arguments", nargs=-1, metavar="[KIND NAME...|KIND/NAME...]", shell_complete=complete_targets
)
@manifest_options(required=False, text="Delete the objects of these manifests.")
@click.option("-l", "--selector", default="", help="Delete the objects with these labels.")
@click.option("--field-selector", default="", help="Delete the objects with these fields.")
@click.option("--all", "everything", is_flag=True, help="Delete all objects of the kind.")
@click.option("-A", "--all-namespaces", is_flag=True, help="With -l or --all: in all namespaces.")
@click.option("--grace-period", type=int, help="How many seconds a pod has to end by itself.")
@click.option("--force", is_flag=True, help="Do not let pods end by themselves: grace period 0.")
@click.option("--now", is_flag=True, help="The same as --grace-period=1.")
@click.option("-i", "--interactive", is_flag=True, help="Name the objects and ask first.")
@click.option(
    "--dry-run",
    type=click.Choice(["none", "client", "server"]),
    default="none",
    help="Delete nothing; 'server' lets the API server check it.",
)
@click.option(
    "--cascade",
    type=click.Choice(["background", "foreground", "orphan"]),
    default="background",
    help="What becomes of what the object owns. [background]",
)
@click.option(
    "--wait/--no-wait", "wait_for", default=True, help="Wait until the objects are gone. [wait]"
)
@click.option("--timeout", "timeout_s", type=DURATION, default=0.0, help="How long to wait. [ever]")
@click.option("--ignore-not-found", is_flag=True, help="It is no failure if one is not there.")
@click.option("-o", "--output", type=click.Choice(["name"]))
def delete(
    settings: Settings,
    arguments: tuple[str, ...],
    files: tuple[str, ...],
    recursive: bool,
    selector: str,
    field_selector: str,
    everything: bool,
    all_namespaces: bool,
    grace_period: int | None,
    force: bool,
    now: bool,
    interactive: bool,
    dry_run: str,
    cascade: str,
    wait_for: bool,
    timeout_s: float,
    ignore_not_found: bool,
    output: str | None,
) -> None:
    """Delete objects by name, by label or as manifests name them, and wait until they are gone."""
    from podraft.cli.errors import usage
    from podraft.cli.sessions.connection import run
    from podraft.cli.sessions.reading import Query

    if bool(arguments) == bool(files):
        raise usage("say what to delete: KIND NAME, KIND/NAME, or -f FILE")
    if files and (selector or field_selector or everything):
        raise usage("-f names the objects; it goes with neither -l, --field-selector nor --all")
    targets = _targets(arguments, selector or field_selector, everything=everything)
    grace_s = _grace_s(grace_period, force=force, now=now)
    how = _How(grace_s, _propagation(cascade), ignore_not_found, dry_run)

    async def body(session: Session) -> None:
        if files:
            victims = _from_files(session, files, recursive=recursive)
        else:
            query = Query(session.namespace, selector, field_selector, all_namespaces)
            victims = await _chosen(session, targets, query)
        if not victims:
            printing.say("No resources found.", err=True)
            return
        if interactive and not _is_confirmed(victims):
            printing.say("nothing was deleted", err=True)
            return
        deleted, missing = await _delete_all(session, victims, how, output)
        if wait_for and dry_run == "none":
            await _wait_gone(session, deleted, timeout_s)
        _complain(missing, session)

    run(settings, body)


def _grace_s(grace_period: int | None, *, force: bool, now: bool) -> int | None:
    """Return how many seconds pods have to end; None for their own.

    Raises:
        CliError: The options contradict each other, or make no sense.
    """
    from podraft.cli.errors import usage

    if grace_period is not None and grace_period < 0:
        raise usage(f"--grace-period: must be >= 0, got {grace_period}")
    if now and grace_period is not None:
        raise usage("--now is --grace-period=1: say one of them")
    if force:
        return 0
    return 1 if now else grace_period


def _is_confirmed(victims: Sequence[_Victim]) -> bool:
    """Name the objects, ask, and return whether the answer was yes."""
    from podraft.cli.command_line.targets import word_of

    printing.say("You are about to delete:", *(f"  {word_of(v.kind, v.name)}" for v in victims))
    return printing.is_confirmed("Do you want to continue?")


def _propagation(cascade: str) -> Any:
    from podraft.api.meta.v1 import requests_pb2

    return requests_pb2.PropagationPolicy.Value(f"PROPAGATION_POLICY_{cascade.upper()}")


def _from_files(session: Session, files: Sequence[str], *, recursive: bool) -> list[_Victim]:
    """Return the objects that manifests name in reverse order, so that dependents go first."""
    from podraft.cli.errors import CliError, shorten
    from podraft.cli.manifests import items as manifests
    from podraft.cli.manifests.sources import read_sources

    reading = manifests.read(
        read_sources(files, recursive=recursive),
        session.settings.namespace,
        session.namespace,
        ignore_unsupported=True,
    )
    if reading.faults:
        raise CliError("nothing was deleted", *shorten(f"  {fault}" for fault in reading.faults))
    items = reversed(reading.items)
    return [_Victim(item.kind, item.namespace, item.name) for item in items]


def _targets(arguments: Sequence[str], selector: str, *, everything: bool) -> list[Target]:
    """Return the targets of the arguments; deleting all of a kind must be asked for explicitly."""
    from podraft.cli.command_line.targets import parse_targets
    from podraft.cli.errors import usage

    targets = parse_targets(arguments) if arguments else []
    named = [target for target in targets if target.name is not None]
    if named and (everything or selector):
        raise usage("--all and -l go with a kind, not with names")
    if targets and not named and not selector and not everything:
        raise usage("name the objects to delete, select them with -l, or say --all")
    return targets


async def _chosen(session: Session, targets: Sequence[Target], query: Query) -> list[_Victim]:
    from podraft.cli.sessions import reading

    reading.check_query(targets, query)
    if all(target.name is not None for target in targets):
        return [_Victim(t.kind, query.scope(t.kind), t.name or "") for t in targets]
    found = await reading.read(session, targets, query)
    return [
        _Victim(one.kind, obj.metadata.namespace, obj.metadata.name)
        for one in found
        for obj in one.objects
    ]


async def _delete_all(
    session: Session, victims: Sequence[_Victim], how: _How, output: str | None
) -> tuple[list[tuple[_Victim, str]], list[_Victim]]:
    """Delete the objects; return those that existed, with their uids, and those that did not."""
    from podraft.cli.command_line.targets import word_of
    from podraft.client.errors import NotFoundError

    gate = asyncio.Semaphore(_DELETES_AT_ONCE)

    async def one(victim: _Victim) -> str | None:
        async with gate:
            resource = session.client.resource(victim.kind)
            try:
                if how.dry_run == "client":
                    obj = await resource.get(victim.name, victim.namespace)
                else:
                    obj = await resource.delete(
                        victim.name,
                        victim.namespace,
                        grace_period_seconds=how.grace_s,
                        propagation=how.propagation,
                        dry_run=how.dry_run == "server",
                    )
            except NotFoundError:
                return None
            if output == "name":
                printing.data(f"{word_of(victim.kind, victim.name)}\n")
            else:
                title = word_of(victim.kind, victim.name).partition("/")[0]
                forced = " force" if how.grace_s == 0 else ""
                printing.say(f'{title} "{victim.name}"{forced} deleted{_NOTES[how.dry_run]}')
            return str(obj.metadata.uid)

    uids = await asyncio.gather(*map(one, victims))
    both = list(zip(victims, uids, strict=True))
    missing = [] if how.ignore_not_found else [victim for victim, uid in both if uid is None]
    return [(victim, uid) for victim, uid in both if uid is not None], missing


async def _wait_gone(
    session: Session, deleted: Sequence[tuple[_Victim, str]], timeout_s: float
) -> None:
    from podraft.cli.sessions.gone import wait_until_gone

    targets = [(victim.kind, victim.namespace, victim.name, uid) for victim, uid in deleted]
    await wait_until_gone(session, targets, timeout_s)


def _complain(missing: Sequence[_Victim], session: Session) -> None:
    from podraft.cli.errors import CliError

    lines = []
    for victim in missing:
        where = f" in namespace {victim.namespace}" if victim.namespace else ""
        lines.append(f'{victim.kind.resource} "{victim.name}" not found{where}')
    if lines:
        raise CliError(lines[0], *(f"Error: {line}" for line in lines[1:]))
