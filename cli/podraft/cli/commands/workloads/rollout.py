"""`rollout`: follow and restart what rolls out templates; undo, pause and resume deployments."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from podraft.api.objects import well_known
from podraft.api.ownership.holdings import COMMAND
from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import Group
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind
    from podraft.cli.sessions.connection import Session

rollout = Group("rollout", help="Follow, undo, restart or pause a rollout.")
_TARGET = click.argument("target", nargs=-1, required=True, metavar="deployment/NAME")
_ANY_TARGET = click.argument("target", nargs=-1, required=True, metavar="KIND/NAME")


def _name(target: tuple[str, ...], verb: str) -> str:
    from podraft.api import kinds
    from podraft.cli.command_line.targets import expect_kind, name_of, one_target

    found = one_target(*target)
    expect_kind(found, (kinds.DEPLOYMENT,), f"rollout {verb}")
    return name_of(found)


def _any(target: tuple[str, ...], verb: str) -> tuple[AnyKind, str]:
    """Return kind and name of an object of a kind that rolls out changes of its template."""
    from podraft.cli.command_line.targets import expect_kind, name_of, one_target
    from podraft.cli.kinds import rolling_kinds

    found = one_target(*target)
    expect_kind(found, rolling_kinds(), f"rollout {verb}")
    return found.kind, name_of(found)


@rollout.add("status")
@_ANY_TARGET
@click.option("-w", "--watch/--no-watch", default=True, help="Follow until it is done.")
@click.option("--timeout", "timeout_s", type=DURATION, default=0.0, help="Give up after this time.")
@click.option("--revision", type=int, default=0, help="Fail when another revision is rolled out.")
def status(
    settings: Settings, target: tuple[str, ...], watch: bool, timeout_s: float, revision: int
) -> None:
    """Follow the rollout of a deployment, daemon set or stateful set until it is done.

    Fails when a deployment's progress deadline is exceeded.
    """
    from podraft.cli.errors import CliError
    from podraft.cli.kinds import running_view_of
    from podraft.cli.sessions import waiting
    from podraft.cli.sessions.connection import run

    kind, name = _any(target, "status")
    view = running_view_of(kind)

    async def body(session: Session) -> None:
        if watch or view is None:
            waited = waiting.Waited(kind, session.namespace, name)
            await waiting.wait_until_running(session, [waited], timeout_s, min_revision=revision)
            return
        found = await session.client.resource(kind).get(name, session.namespace)
        state = view.progress(found, session.now_s())
        if state.failed:
            raise CliError(state.message)
        printing.say(state.message)

    run(settings, body)


@rollout.add("history")
@_TARGET
@click.option("--revision", type=int, default=0, help="Show this revision's pod template.")
def history(settings: Settings, target: tuple[str, ...], revision: int) -> None:
    """List the revisions of a deployment."""
    from podraft.api.objects.workloads import revision_of
    from podraft.cli.errors import CliError
    from podraft.cli.output import tables
    from podraft.cli.output.sections.templates import template_lines
    from podraft.cli.plans import rollouts
    from podraft.cli.sessions.connection import run

    name = _name(target, "history")

    async def body(session: Session) -> None:
        _, replica_sets = await _read(session, name)
        if revision:
            found = rollouts.wanted_revision(replica_sets, revision)
            if found is None:
                raise CliError(f"unable to find the specified revision {revision}")
            printing.say(f"deployment.apps/{name} with revision #{revision}")
            printing.say(*template_lines(found.spec.template))
            return
        rows = [
            [
                str(revision_of(rs)),
                rs.metadata.annotations.get(well_known.CHANGE_CAUSE, ""),
            ]
            for rs in replica_sets
            if revision_of(rs)
        ]
        printing.say(f"deployment.apps/{name}")
        shown = [[number, cause or "<none>"] for number, cause in rows]
        printing.text(tables.render(["REVISION", "CHANGE-CAUSE"], shown))

    run(settings, body)


@rollout.add("undo")
@_TARGET
@click.option("--to-revision", type=int, default=0, help="Which revision; the last but one.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
def undo(settings: Settings, target: tuple[str, ...], to_revision: int, dry_run: bool) -> None:
    """Go back to the pod template of an earlier revision."""
    from podraft.api.objects.workloads import revision_of
    from podraft.cli.errors import CliError
    from podraft.cli.plans import rollouts
    from podraft.cli.sessions.connection import run

    name = _name(target, "undo")

    async def body(session: Session) -> None:
        deployment, replica_sets = await _read(session, name)
        if deployment.spec.paused:
            raise CliError(
                f'deployment "{name}" is paused',
                f'  "podraft rollout resume deployment/{name}" first, then undo',
            )
        found = rollouts.wanted_revision(replica_sets, to_revision)
        if found is None:
            known = ", ".join(str(revision_of(rs)) for rs in replica_sets) or "none"
            wanted = f"revision {to_revision}" if to_revision else "earlier revision"
            raise CliError(f'deployment "{name}" has no {wanted}; revisions kept: {known}')
        patch = rollouts.undo_patch(deployment, found)
        number = revision_of(found)
        if not patch:
            printing.say(
                f"deployment.apps/{name} skipped rollback "
                f"(current template already matches revision {number})"
            )
            return
        await session.client.deployments.patch(
            name,
            patch,
            session.namespace,
            uid=deployment.metadata.uid,
            resource_version=deployment.metadata.resource_version,
            dry_run=dry_run,
            field_manager=COMMAND,
        )
        note = " (server dry run)" if dry_run else ""
        printing.say(f"deployment.apps/{name} rolled back{note}")

    _retried(settings, body, run)


@rollout.add("restart")
@_ANY_TARGET
def restart(settings: Settings, target: tuple[str, ...]) -> None:
    """Replace all pods of a deployment, daemon set or stateful set, a few at a time."""
    from podraft.api import times

    now = times.format_time(times.time_at(time.time()))
    annotations = {well_known.RESTARTED_AT: now}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    _patch(settings, _any(target, "restart"), patch, "restarted")


@rollout.add("pause")
@_TARGET
def pause(settings: Settings, target: tuple[str, ...]) -> None:
    """Stop rolling out changes of a deployment's template."""
    _patch(settings, _deployment(target, "pause"), {"spec": {"paused": True}}, "paused")


@rollout.add("resume")
@_TARGET
def resume(settings: Settings, target: tuple[str, ...]) -> None:
    """Roll out changes again."""
    _patch(settings, _deployment(target, "resume"), {"spec": {"paused": None}}, "resumed")


async def _read(session: Session, name: str) -> tuple[Any, list[Any]]:
    """Return a deployment and its ReplicaSets, the oldest revision first."""
    from podraft.api.columns.column import selector_text
    from podraft.cli.plans import rollouts

    deployment = await session.client.deployments.get(name, session.namespace)
    listed = await session.client.replica_sets.list(
        session.namespace, label_selector=selector_text(deployment.spec.selector)
    )
    return deployment, rollouts.owned(deployment, listed.items)


def _deployment(target: tuple[str, ...], verb: str) -> tuple[AnyKind, str]:
    from podraft.api import kinds

    return kinds.DEPLOYMENT, _name(target, verb)


def _patch(
    settings: Settings, target: tuple[AnyKind, str], patch: dict[str, Any], word: str
) -> None:
    from podraft.cli.command_line.targets import word_of
    from podraft.cli.errors import CliError
    from podraft.cli.sessions.connection import run

    kind, name = target

    async def body(session: Session) -> None:
        resource = session.client.resource(kind)
        found = await resource.get(name, session.namespace)
        paused = bool(getattr(found.spec, "paused", False))
        if word == "restarted" and paused:
            raise CliError(f'deployment "{name}" is paused: resume it first')
        if word in ("paused", "resumed") and paused == (word == "paused"):
            raise CliError(
                f'deployment "{name}" is {"already" if word == "paused" else "not"} paused'
            )
        await resource.patch(
            name, patch, session.namespace, uid=found.metadata.uid, field_manager=COMMAND
        )
        printing.say(f"{word_of(kind, name)} {word}")

    run(settings, body)


def _retried(
    settings: Settings,
    body: Callable[[Session], Awaitable[None]],
    run: Callable[[Settings, Callable[[Session], Awaitable[None]]], None],
) -> None:
    """Run a command's body; run it again, up to a bound, when somebody else wrote in between."""
    from podraft.client.errors import ConflictError

    tries_max = 5

    async def again(session: Session) -> None:
        for _ in range(tries_max - 1):
            try:
                await body(session)
            except ConflictError:
                continue
            return
        await body(session)

    run(settings, again)
