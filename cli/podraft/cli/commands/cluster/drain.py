"""`drain`: move the pods away from nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_nodes

if TYPE_CHECKING:
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.plans.draining import Allowed
    from podraft.cli.sessions.connection import Session

_AT_ONCE = 16
# The pause before a refused eviction is asked for again, each time twice as long.
_PAUSE_S = 0.25
_PAUSE_MAX_S = 5.0


@dataclass(frozen=True, slots=True)
class _How:
    """How pods are removed, and which."""

    allowed: Allowed
    grace_s: int | None
    timeout_s: float
    pod_selector: str
    chunk: int
    evicts: bool


@command("drain")
@click.argument("nodes", nargs=-1, metavar="NODE...", shell_complete=complete_nodes)
@click.option("-l", "--selector", default="", help="The nodes with these labels.")
@click.option("--ignore-daemonsets", is_flag=True, help="Leave the pods of DaemonSets.")
@click.option("--delete-emptydir-data", is_flag=True, help="Lose what is in an emptyDir.")
@click.option("--force", is_flag=True, help="Remove pods, too, that nothing makes anew.")
@click.option("--grace-period", type=int, default=-1, help="Seconds to end, -1: the pod's own.")
@click.option("--timeout", "timeout_s", type=DURATION, default=0.0, help="For each node. [ever]")
@click.option("--pod-selector", default="", help="Only pods with these labels.")
@click.option("--disable-eviction", is_flag=True, help="Delete, whatever disruption budgets say.")
@click.option("--chunk-size", type=click.IntRange(min=0), default=500, help="Pods asked at once.")
@click.option(
    "--dry-run",
    type=click.Choice(["none", "client", "server"]),
    default="none",
    help="Write nothing; 'server' lets the API server check it.",
)
def drain(
    settings: Settings,
    nodes: tuple[str, ...],
    selector: str,
    ignore_daemonsets: bool,
    delete_emptydir_data: bool,
    force: bool,
    grace_period: int,
    timeout_s: float,
    pod_selector: str,
    disable_eviction: bool,
    chunk_size: int,
    dry_run: str,
) -> None:
    """Move the pods away from nodes, which get no new ones until they are uncordoned.

    Pods that would be lost, or not made anew, stop a drain before it begins. A pod whose
    disruption budget has nothing left is asked for again until it has, or the time is over.
    """
    from podraft.cli.errors import usage
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.plans.draining import Allowed
    from podraft.cli.sessions.connection import run

    if bool(nodes) == bool(selector):
        raise usage("name the nodes, or select them with -l")
    if grace_period < -1:
        raise usage(f"--grace-period: must be >= -1, got {grace_period}")
    how = _How(
        Allowed(ignore_daemonsets, delete_emptydir_data, force),
        None if grace_period < 0 else grace_period,
        timeout_s,
        pod_selector,
        chunk_size,
        not disable_eviction,
    )
    outcomes = Outcomes(dry_run=dry_run, coloured=settings.coloured())

    async def body(session: Session) -> None:
        found = await _nodes(session, nodes, selector)
        plans = [(node, await _plan(session, node, how)) for node in found]
        for node, _ in plans:
            await _cordon(session, node, outcomes)
        for node, pods in plans:
            await _remove(session, node, pods, how, outcomes)

    run(settings, body)


async def _nodes(session: Session, names: Sequence[str], selector: str) -> list[Any]:
    from podraft.cli.errors import CliError

    if names:
        plain = [name.removeprefix("nodes/").removeprefix("node/") for name in names]
        return [await session.client.nodes.get(name) for name in dict.fromkeys(plain)]
    found = list((await session.client.nodes.list(label_selector=selector)).items)
    if not found:
        raise CliError(f"no node has the labels {selector}")
    return found


async def _plan(session: Session, node: Any, how: _How) -> list[Any]:
    """Return the pods to remove from a node.

    Raises:
        CliError: A pod may not be removed; nothing has been changed.
    """
    from podraft.api import kinds
    from podraft.cli.command_line.targets import Target
    from podraft.cli.errors import CliError
    from podraft.cli.plans import draining
    from podraft.cli.sessions import reading

    name = node.metadata.name
    query = reading.Query("", how.pod_selector, f"spec.nodeName={name}", True, how.chunk)
    (found,) = await reading.read(session, [Target(kinds.POD)], query)
    planned = draining.plan(found.objects, how.allowed)
    if planned.faults:
        faults = (f"  {fault}" for fault in planned.faults)
        raise CliError(f"node/{name} cannot be drained; nothing was changed", *faults)
    for warning in planned.warnings:
        printing.warn(warning)
    return planned.removed


async def _cordon(session: Session, node: Any, outcomes: Outcomes) -> None:
    word = f"node/{node.metadata.name}"
    if node.spec.unschedulable:
        outcomes.tell(word, "already cordoned", node)
        return
    if not outcomes.is_local:
        await session.client.nodes.patch(
            node.metadata.name,
            {"spec": {"unschedulable": True}},
            uid=node.metadata.uid,
            dry_run=outcomes.asks_only,
        )
    outcomes.tell(word, "cordoned", node)


async def _remove(
    session: Session, node: Any, pods: Sequence[Any], how: _How, outcomes: Outcomes
) -> None:
    """Remove a node's pods, wait until they are gone, and tell of it."""
    from podraft.api import kinds
    from podraft.cli.errors import CliError, shorten
    from podraft.cli.sessions.gone import wait_until_gone

    gate = asyncio.Semaphore(_AT_ONCE)
    name, waits = node.metadata.name, dict[str, str]()

    async def one(pod: Any) -> None:
        async with gate:
            await _remove_one(session, pod, how, outcomes, waits)

    async def every() -> None:
        await asyncio.gather(*map(one, pods))
        if not outcomes.is_dry:
            goners = [
                (kinds.POD, pod.metadata.namespace, pod.metadata.name, str(pod.metadata.uid))
                for pod in pods
            ]
            await wait_until_gone(session, goners, 0.0)

    try:
        await asyncio.wait_for(every(), how.timeout_s or None)
    except TimeoutError:
        lines = [f"  {word}: {why}" for word, why in waits.items()]
        raise CliError(
            f"node/{name} is not drained after {how.timeout_s:g}s", *shorten(lines)
        ) from None
    outcomes.tell(f"node/{name}", "drained", node)


async def _remove_one(
    session: Session, pod: Any, how: _How, outcomes: Outcomes, waits: dict[str, str]
) -> None:
    """Begin a pod's end as soon as its budget allows it; ``waits`` tells why not yet."""
    from podraft.client.errors import NotFoundError, OverloadedError

    metadata = pod.metadata
    word = f"pod {metadata.namespace}/{metadata.name}"
    printing.say(f"{'evicting' if how.evicts else 'deleting'} {word}")
    if outcomes.is_local:
        return
    remove = session.client.evict_pod if how.evicts else session.client.pods.delete
    pause_s = _PAUSE_S
    while True:
        try:
            await remove(
                metadata.name,
                metadata.namespace,
                grace_period_seconds=how.grace_s,
                uid=metadata.uid,
                dry_run=outcomes.asks_only,
            )
        except NotFoundError:
            return  # It is gone already, or another one has taken its name.
        except OverloadedError as error:
            if word not in waits:
                printing.say(f"waiting to evict {word}: {error.message}", err=True)
            waits[word] = error.message
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)
        else:
            waits.pop(word, None)
            return
