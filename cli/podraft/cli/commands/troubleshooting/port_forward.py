"""`port-forward`: reach a pod's ports from this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.cli.command_line.targets import Target
    from podraft.cli.plans.forwarded_ports import Forwarded
    from podraft.cli.sessions.connection import Session


@command("port-forward")
@click.argument("target", metavar="POD|KIND/NAME", shell_complete=complete_targets)
@click.argument("ports", nargs=-1, required=True, metavar="[LOCAL:]REMOTE...")
@click.option(
    "--address", "addresses", multiple=True, metavar="ADDRESS[,ADDRESS]", help="[localhost]"
)
def port_forward(
    settings: Settings, target: str, ports: tuple[str, ...], addresses: tuple[str, ...]
) -> None:
    """Reach ports of a pod, or of a pod of a workload or Service, from this machine.

    Ports of the pod's own loopback address are reached, too. Ctrl-C ends it.

    \b
    podraft port-forward web-1 8080:80          podraft port-forward service/web :http
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.api import kinds
    from podraft.cli.command_line.targets import Target, expect_kind, one_target
    from podraft.cli.plans.forwarded_ports import parse
    from podraft.cli.plans.made.words import listed
    from podraft.cli.plans.shapes import kinds_with, selects_pods
    from podraft.cli.sessions.connection import run
    from podraft.cli.streams.forwarding import local_addresses

    named = one_target(target) if "/" in target else Target(kinds.POD, target)
    expect_kind(named, (kinds.POD, kinds.SERVICE, *kinds_with(selects_pods)), "port-forward")
    wanted, where = parse(ports), local_addresses(listed(addresses) or ["localhost"])
    run(settings, lambda session: _forward(session, named, wanted, where))


async def _forward(
    session: Session, named: Target, wanted: Sequence[Forwarded], addresses: Sequence[str]
) -> None:
    from podraft.api import kinds
    from podraft.cli.command_line.targets import name_of
    from podraft.cli.plans.forwarded_ports import port_behind, port_of_pod
    from podraft.cli.streams.forwarding import listen
    from podraft.client.calls.pods.forwarding import PodPort

    found = await session.client.resource(named.kind).get(name_of(named), session.namespace)
    pod = found if named.kind is kinds.POD else await _pod_of(session, named, found)
    servers: list[asyncio.Server] = []
    try:
        for one in wanted:
            is_service = named.kind is kinds.SERVICE
            remote = port_behind(found, one.remote) if is_service else one.remote
            target = PodPort(pod.metadata.namespace, pod.metadata.name, port_of_pod(pod, remote))
            servers += await listen(session.client, addresses, one.local, target)
        await asyncio.gather(*(server.serve_forever() for server in servers))
    finally:
        for server in servers:
            server.close()


async def _pod_of(session: Session, named: Target, found: Any) -> Any:
    """Return a running pod of a workload or Service.

    Raises:
        CliError: It has none.
    """
    from podraft.api import codec
    from podraft.cli.command_line.targets import word_of
    from podraft.cli.errors import CliError
    from podraft.cli.plans.edits.exposed import selector_of

    labels = selector_of(named.kind, codec.to_json(found))
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    pods = await session.client.pods.list(found.metadata.namespace, label_selector=selector)
    running = [pod for pod in pods.items if pod.status.phase == "Running"]
    if not running:
        raise CliError(f"{word_of(named.kind, found.metadata.name)} has no running pod")
    running.sort(key=lambda pod: pod.metadata.name)
    if len(running) > 1:
        printing.say(f"Found {len(running)} pods, using pod/{running[0].metadata.name}", err=True)
    return running[0]
