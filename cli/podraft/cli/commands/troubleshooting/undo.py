"""`undo`: take back what a revision changed, or the last change of an object."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from podraft.api.ownership.holdings import COMMAND
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podraft.api.cluster.v1 import commit_pb2
    from podraft.cli.plans.undo_plan import Step
    from podraft.cli.sessions.connection import Session
    from podraft.client.calls.changes import ObjectChange

_VERSIONS = 500
_TRIES_MAX = 5
_READS_AT_ONCE = 16
_SHOWN_MAX = 12


@command("undo")
@click.argument("argument", metavar="REVISION|KIND/NAME", shell_complete=complete_targets)
@click.argument("also", nargs=-1, metavar="[NAME]")
@click.option("--dry-run", is_flag=True, help="Only say what would happen; the server checks it.")
@click.option("--force", is_flag=True, help="Even over what was changed again since.")
def undo(
    settings: Settings, argument: str, also: tuple[str, ...], dry_run: bool, force: bool
) -> None:
    """Take back all that a revision changed, or the last change of one object.

    Everything is written in one transaction, or nothing is. Fields that the change
    did not touch keep what others wrote since; a touched field that was changed
    again is a conflict. Status is not touched. An undo is a change like any other:
    it can be undone.

    \b
    podraft undo deploy/web --dry-run    podraft undo 4711
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.cli.errors import CliError
    from podraft.cli.plans.undo_plan import UndoRefusedError
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> None:
        if argument.isdecimal() and not also:
            title, changes = await _of_revision(session, int(argument))
        else:
            title, changes = await _of_object(session, argument, *also)
        printing.say(title)
        try:
            steps, revision = await _carry_out(session, changes, dry_run=dry_run, force=force)
        except UndoRefusedError as error:
            hint = () if force else ("  nothing was changed; --force overrides what is possible",)
            raise CliError(*error.lines, *hint) from None
        _report(steps, revision, dry_run=dry_run)

    run(settings, body)


async def _of_revision(session: Session, number: int) -> tuple[str, list[ObjectChange]]:
    from podraft.cli.errors import CliError
    from podraft.cli.plans.undo_plan import is_own_change

    found = await session.client.history.revision(number)
    changes = [change for change in found.changes if is_own_change(change.before, change.after)]
    if not changes:
        raise CliError(f"revision {number} changed nothing that can be undone, at most a status")
    return _title(session, number, found.user, found.time), changes


async def _of_object(session: Session, argument: str, *also: str) -> tuple[str, list[ObjectChange]]:
    from podraft.cli.command_line.targets import name_of, one_target
    from podraft.cli.errors import CliError
    from podraft.cli.plans.undo_plan import is_own_change
    from podraft.client.calls.changes import ObjectChange

    target = one_target(argument, *also)
    name = name_of(target)
    namespace = session.namespace if target.kind.namespaced else ""
    history = await session.client.object_history(target.kind, name, namespace, limit=_VERSIONS)
    what = f'{target.kind.resource} "{name}"'
    if not history.versions:
        raise CliError(f"{what}: nothing of it is kept")
    versions = history.versions
    for index, version in enumerate(versions):
        older = versions[index + 1] if index + 1 < len(versions) else None
        if version.operation != "created" and (older is None or older.object is None):
            break
        before = None if version.operation == "created" or older is None else older.object
        if is_own_change(before, version.object):
            change = ObjectChange(target.kind, version.operation, before, version.object)
            title = _title(session, version.revision, version.user, version.time)
            return title, [change]
    raise CliError(f"{what}: the version before its last change is not kept")


def _title(session: Session, revision: int, user: str, time: Any) -> str:
    from podraft.api.columns import ages

    age = ages.human_duration(session.now_s() - time.timestamp()) if time else ages.UNKNOWN
    return f"undoing revision {revision}, by {user or '(server)'}, {age} ago"


async def _carry_out(
    session: Session, changes: Sequence[ObjectChange], *, dry_run: bool, force: bool
) -> tuple[list[Step], str]:
    """Plan and write the undo; plan anew when somebody else wrote in between."""
    from podraft.client.errors import AlreadyExistsError, ConflictError, NotFoundError

    for attempt in range(1, _TRIES_MAX + 1):
        steps = await _plan(session, changes, force=force)
        writes = [step.write for step in steps if step.write is not None]
        if not writes:
            return steps, ""
        try:
            revision = await _commit(session, steps, writes, dry_run=dry_run)
        except (AlreadyExistsError, ConflictError, NotFoundError):
            if attempt == _TRIES_MAX:
                raise
        else:
            return steps, revision
    raise AssertionError("the last try returns or raises")


async def _commit(
    session: Session, steps: Sequence[Step], writes: Sequence[commit_pb2.Write], *, dry_run: bool
) -> str:
    """Write, giving up addresses and ports that others have now; return the revision."""
    from podraft.cli.plans.undo_refusals import located, without_taken
    from podraft.client.errors import InvalidError

    while True:
        try:
            response = await session.client.commit(writes, dry_run=dry_run, field_manager=COMMAND)
            return response.resource_version
        except InvalidError as error:
            # The server may name one at a time; each round gives up at least one, so the loop ends.
            kept = without_taken(writes, error)
            if kept is None:
                raise located(error, steps) from None
            writes = kept


async def _plan(session: Session, changes: Sequence[ObjectChange], *, force: bool) -> list[Step]:
    from podraft.api.kinds import BUILT_IN
    from podraft.cli.plans.undo_plan import UndoRefusedError, step
    from podraft.client.errors import NotFoundError

    gate = asyncio.Semaphore(_READS_AT_ONCE)

    async def read(kind: Any, name: str, namespace: str) -> Any:
        async with gate:
            try:
                return await session.client.resource(kind).get(name, namespace)
            except NotFoundError:
                return None

    async def one(change: ObjectChange) -> Step:
        some = (change.after or change.before).metadata
        live = await read(change.kind, some.name, some.namespace)
        owners = [] if live is not None else await _living_owners(read, change.before)
        return step(change, live, owners=owners, force=force)

    results = await asyncio.gather(*map(one, changes), return_exceptions=True)
    refused = [result for result in results if isinstance(result, UndoRefusedError)]
    if refused:
        raise UndoRefusedError(*(line for error in refused for line in error.lines))
    steps: list[Step] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        steps.append(result)
    order = {kind: index for index, kind in enumerate(BUILT_IN)}
    # Dependencies come first when they are created, and last when they are deleted.
    return sorted(
        steps, key=lambda s: (order[s.kind], 0) if s.outcome != "deleted" else (99, -order[s.kind])
    )


async def _living_owners(read: Any, before: Any) -> list[Any]:
    from podraft.api import kinds
    from podraft.api.objects import owners

    living = []
    for reference in before.metadata.owner_references if before is not None else ():
        kind = kinds.BUILT_IN.by_manifest(reference.api_version, reference.kind)
        key = owners.named_key(
            kinds.BUILT_IN.of(before), before.metadata.namespace, reference, kinds.BUILT_IN
        )
        if kind is None or key is None:
            continue
        found = await read(kind, key.name, key.namespace)
        if found is not None and found.metadata.uid == key.uid:
            living.append(reference)
    return living


def _report(steps: Sequence[Step], revision: str, *, dry_run: bool) -> None:
    note = " (server dry run)" if dry_run else ""
    for step in steps:
        printing.say(f"{step.word} {step.outcome}{note}")
        for difference in step.shown[:_SHOWN_MAX]:
            printing.say(f"  {difference.line()}")
        if len(step.shown) > _SHOWN_MAX:
            printing.say(f"  … and {len(step.shown) - _SHOWN_MAX} more fields")
    if revision and not dry_run:
        printing.say(f'undone by revision {revision}; "podraft undo {revision}" takes that back')
