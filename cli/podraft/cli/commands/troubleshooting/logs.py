"""`logs`: print the output of containers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.streams.standard_streams import write_stdout

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session

_STREAMS_MAX = 20


@dataclass(frozen=True, slots=True)
class _What:
    """The wanted part of the logs, and how lines begin."""

    container: str | None
    all_containers: bool
    follow: bool
    tail: int
    since_s: float
    previous: bool
    timestamps: bool
    prefix: bool
    cleaned: bool


@command("logs")
@click.argument("arguments", nargs=-1, metavar="POD|deployment/NAME [CONTAINER]")
@click.option("-c", "--container", help="Which container of the pod; the first.")
@click.option("--all-containers", is_flag=True, help="All containers of the pod.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("--tail", type=int, default=-1, help="Only so many last lines. [all]")
@click.option("--since", "since_s", type=DURATION, default=0.0, help="Only lines of this time.")
@click.option("-p", "--previous", is_flag=True, help="Of the container before the last restart.")
@click.option("--timestamps", is_flag=True, help="Begin each line with when it was written.")
@click.option("-l", "--selector", default="", help="Of the pods with these labels.")
@click.option("--prefix", is_flag=True, help="Begin each line with the pod and container.")
@click.option("--raw", is_flag=True, help="Every byte as it was written, to a terminal, too.")
def logs(
    settings: Settings,
    arguments: tuple[str, ...],
    container: str | None,
    all_containers: bool,
    follow: bool,
    tail: int,
    since_s: float,
    previous: bool,
    timestamps: bool,
    selector: str,
    prefix: bool,
    raw: bool,
) -> None:
    """Print what containers wrote to standard output and standard error.

    On a terminal, colours pass and all other control sequences are shown as text.
    """
    from podraft.cli.errors import CliError, usage
    from podraft.cli.sessions.connection import run

    if bool(arguments) == bool(selector):
        raise usage("say which pod: POD, deployment/NAME or -l SELECTOR")
    if len(arguments) > 2:
        raise usage("expected POD [CONTAINER]")
    if len(arguments) == 2:
        container = arguments[1]
    cleaned = printing.stdout_is_terminal() and not raw
    what = _What(
        container, all_containers, follow, tail, since_s, previous, timestamps, prefix, cleaned
    )

    async def body(session: Session) -> None:
        if selector:
            listed = await session.client.pods.list(session.namespace, label_selector=selector)
            pods = list(listed.items)
        else:
            pods = [await _pod(session, arguments[0])]
        if not pods:
            raise CliError(f"no pods in {session.namespace} namespace match {selector}")
        streams = [(pod, name) for pod in pods for name in _containers(pod, what)]
        if len(streams) > _STREAMS_MAX:
            raise CliError(f"{len(streams)} containers match; at most {_STREAMS_MAX} at once")
        if len(streams) == 1:
            await _print(session, *streams[0], what, kept_whole=False)
            return
        failures = await _print_all(session, streams, what)
        if len(failures) == len(streams) or any(failure.is_error for failure in failures):
            raise CliError(*_told(failures))
        for line in _told(failures):
            printing.say(line, err=True)

    run(settings, body)


@dataclass(frozen=True, slots=True)
class _Failure:
    """The reason why a container's output could not be printed; having none yet is no error."""

    pod: str
    container: str
    message: str
    is_error: bool


async def _print_all(
    session: Session, streams: Sequence[tuple[Any, str]], what: _What
) -> list[_Failure]:
    """Print the output that there is; return the containers that have none or could not be read."""
    from podraft.client.errors import ApiError, FailedPreconditionError, NotFoundError

    failures = []

    async def print_one(pod: Any, name: str) -> None:
        try:
            await _print(session, pod, name, what, kept_whole=what.follow)
        except ApiError as error:
            nothing = isinstance(error, NotFoundError | FailedPreconditionError)
            failures.append(_Failure(pod.metadata.name, name, error.message, not nothing))

    if what.follow:
        await asyncio.gather(*(print_one(pod, name) for pod, name in streams))
    else:
        for pod, name in streams:
            await print_one(pod, name)
    return failures


def _told(failures: Iterable[_Failure]) -> list[str]:
    return [f"pod/{each.pod}, {each.container}: {each.message}" for each in failures]


async def _pod(session: Session, argument: str) -> Any:
    from podraft.api import kinds
    from podraft.cli.command_line.targets import Target, expect_kind, name_of, one_target
    from podraft.cli.errors import CliError
    from podraft.cli.plans.shapes import kinds_with, selects_pods
    from podraft.cli.sessions import around

    target = one_target(argument) if "/" in argument else Target(kinds.POD, argument)
    expect_kind(target, (kinds.POD, *kinds_with(selects_pods)), "logs")
    name = name_of(target)
    found = await session.client.resource(target.kind).get(name, session.namespace)
    if target.kind is kinds.POD:
        return found
    pods = await around.pods_of(session, found)
    if not pods:
        raise CliError(f"{argument} has no pods")
    # A running pod has more to show than one that has not started.
    pods.sort(key=lambda pod: (pod.status.phase != "Running", pod.metadata.name))
    if len(pods) > 1:
        chosen = f"Found {len(pods)} pods, using pod/{pods[0].metadata.name}"
        printing.say(chosen, err=True)
    return pods[0]


def _containers(pod: Any, what: _What) -> list[str]:
    from podraft.cli.streams.containers import all_containers, chosen_container

    if what.all_containers:
        return all_containers(pod)
    return [chosen_container(pod, what.container)]


async def _print(
    session: Session, pod: Any, container: str, what: _What, *, kept_whole: bool
) -> None:
    """Print a container's output unchanged or, among others' output, in whole lines."""
    from podraft.api import times
    from podraft.api.core.v1 import pod_streams_pb2
    from podraft.cli.streams.container_output import ContainerOutput
    from podraft.cli.streams.log_lines import LogLines

    request = pod_streams_pb2.StreamPodLogsRequest(
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        container=container,
        follow=what.follow,
        previous=what.previous,
        timestamps=what.timestamps,
    )
    if what.tail >= 0:
        request.tail_lines = what.tail
    if what.since_s:
        since = session.now_s() - what.since_s
        request.since_time.CopyFrom(times.time_at(since))
    head = f"[pod/{pod.metadata.name}/{container}] ".encode() if what.prefix else b""
    lines = LogLines(head) if head or kept_whole else None
    output = ContainerOutput(write_stdout, to_terminal=what.cleaned)
    try:
        async for data in session.client.pod_logs(request):
            output.write(lines.feed(data) if lines else data)
    finally:
        if lines:
            output.write(lines.finish())
        output.finish()
