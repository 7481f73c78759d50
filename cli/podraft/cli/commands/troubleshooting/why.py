"""`why`: the reasons behind an object's state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command, complete_kinds
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.cli.sessions.connection import Session

_PODS_SHOWN = 3
_EVENTS_SHOWN = 8
_RECORDS_MAX = 20
_INSIDE_MAX = 50
_LOG_LINES = 5
_LOG_WAIT_S = 2.0
_LOG_BYTES_MAX = 16 * 1024


@command("why")
@click.argument(
    "target", nargs=-1, required=True, metavar="KIND/NAME", shell_complete=complete_kinds
)
def why(settings: Settings, target: tuple[str, ...]) -> None:
    """Say why an object is in the state it is in.

    For a pod: why it is on its node, or on none, and why it does not run. For a
    deployment: what its rollout waits for. For a service: which pods receive its
    traffic and why the others do not. For a namespace that does not go: what holds it.
    """
    from podraft.api import kinds
    from podraft.cli.command_line.targets import name_of, one_target
    from podraft.cli.sessions.connection import run

    found = one_target(*target)
    explain = {
        kinds.POD: _pod,
        kinds.DEPLOYMENT: _deployment,
        kinds.SERVICE: _service,
        kinds.NAMESPACE: _namespace,
    }

    async def body(session: Session) -> None:
        namespace = session.namespace if found.kind.namespaced else ""
        obj = await session.client.resource(found.kind).get(name_of(found), namespace)
        lines = await explain.get(found.kind, _other)(session, obj)
        printing.text("\n".join(lines).rstrip() + "\n")

    run(settings, body)


async def _pod(session: Session, pod: Any) -> list[str]:
    from podraft.api.columns.pod_words import pod_words
    from podraft.cli.output.describe.scheduling import record_lines
    from podraft.cli.plans import reasons
    from podraft.cli.sessions import around

    events, record = await asyncio.gather(
        around.events_of(session, pod), around.record_of(session, pod)
    )
    now_s = session.now_s()
    word = pod_words(pod, now_s).status
    where = f" on node {pod.spec.node_name}" if pod.spec.node_name else ", on no node"
    lines = [_headline(session, f"pod/{pod.metadata.name}", word, where)]
    found = reasons.pod_reasons(pod, events, record, now_s)
    title = "Why it is not ready:" if found else "It is as it should be."
    lines += ["", title, *_bullets(found)]
    for container in reasons.crashed_containers(pod):
        lines += await _last_words(session, pod, container)
    lines += ["", "Scheduling:"]
    if record is None:
        assigned = bool(pod.spec.node_name)
        said = "it was created with its node" if assigned else "not looked at yet"
        lines.append(f"  {said}; there is no record")
    else:
        lines += _indented(record_lines(record, now_s))
    return lines + _events(session, events)


async def _last_words(session: Session, pod: Any, container: str) -> list[str]:
    """Return what a container wrote last before it ended; nothing if that cannot be had soon."""
    from podraft.api.characters import one_line
    from podraft.api.core.v1 import pod_streams_pb2
    from podraft.client.errors import ApiError

    request = pod_streams_pb2.StreamPodLogsRequest(
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        container=container,
        tail_lines=_LOG_LINES,
        previous=any(
            status.name == container and not status.state.HasField("terminated")
            for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
        ),
    )
    text = b""
    with contextlib.suppress(ApiError, TimeoutError):
        async with asyncio.timeout(_LOG_WAIT_S):
            async for data in session.client.pod_logs(request):
                text += data
                if len(text) > _LOG_BYTES_MAX:
                    break
    *whole, rest = text[:_LOG_BYTES_MAX].split(b"\n")
    # Only a newline ends a line of a container.
    raw = [*whole, rest] if rest else whole
    lines = [line.decode(errors="replace") for line in raw[-_LOG_LINES:]]
    if not lines:
        return []
    return ["", f"Last lines of container {container}:", *(f"  | {one_line(x)}" for x in lines)]


async def _deployment(session: Session, deployment: Any) -> list[str]:
    from podraft.api import kinds
    from podraft.api.objects import owners
    from podraft.cli.output.describe.layout import table
    from podraft.cli.plans import reasons, rollouts
    from podraft.cli.sessions import around

    events, replica_sets, pods = await asyncio.gather(
        around.events_of(session, deployment),
        around.replica_sets_of(session, deployment),
        around.pods_of(session, deployment),
    )
    now_s = session.now_s()
    own = [owners.key_of(kinds.REPLICA_SET, replica_set) for replica_set in replica_sets]
    mine = [pod for pod in pods if any(owner.controls(pod.metadata) for owner in own)]
    state = rollouts.progress(deployment)
    word = "Available" if state.done else "Failed" if state.failed else "Pending"
    lines = [_headline(session, f"deployment/{deployment.metadata.name}", word, "")]
    lines += [f"  {state.message}", ""]
    rows = reasons.replica_set_rows(replica_sets)
    if rows:
        headers = ["Replica set", "Revision", "Is", "Desired", "There", "Ready", "Available"]
        lines += [*_indented(table(headers, rows)), ""]
    found = reasons.deployment_reasons(deployment, replica_sets)
    blocked = reasons.blocked_pods(mine, await _records(session, mine), now_s)
    for one in blocked:
        found.append(f"{len(one.pods)} of {len(mine)} pods: {one.reason} ({_some(one.pods)})")
    lines += ["What it waits for:" if found else "It is as it should be.", *_bullets(found)]
    for replica_set in replica_sets[-1:]:
        events += await around.events_of(session, replica_set)
    return lines + _events(session, events)


async def _records(session: Session, pods: Sequence[Any]) -> dict[str, Any]:
    """Return the scheduling records of pods that have no node, of the first ones."""
    from podraft.cli.sessions import around

    pending = [pod for pod in pods if not pod.spec.node_name][:_RECORDS_MAX]
    records = await asyncio.gather(*(around.record_of(session, pod) for pod in pending))
    both = zip(pending, records, strict=True)
    return {pod.metadata.name: record for pod, record in both if record is not None}


async def _service(session: Session, service: Any) -> list[str]:
    from podraft.api.columns.column import pairs
    from podraft.cli.output.describe.layout import table
    from podraft.cli.plans import reasons
    from podraft.cli.sessions import around

    events, slices, listed = await asyncio.gather(
        around.events_of(session, service),
        around.slices_of(session, service),
        session.client.pods.list(service.metadata.namespace),
    )
    selector = dict(service.spec.selector)
    matched = [
        pod
        for pod in listed.items
        if selector and all(pod.metadata.labels.get(k) == v for k, v in selector.items())
    ]
    members = reasons.memberships(service, matched, slices, session.now_s())
    serving = sum(member.serving for member in members)
    word = "Ready" if serving else "NotReady"
    how = f", {serving} of {len(members)} pods receive its traffic"
    lines = [
        _headline(session, f"service/{service.metadata.name}", word, how),
        f"  address {service.spec.cluster_ip or 'none'}, selector {pairs(selector)}",
        "",
    ]
    rows = [
        [one.pod, one.address or "-", "yes" if one.serving else "no", one.reason]
        for one in sorted(members, key=lambda member: (member.serving, member.pod))
    ]
    if rows:
        lines += _indented(table(["Pod", "Address", "Traffic", "Why"], rows))
    lines += _bullets(reasons.service_reasons(service, matched, listed.items))
    return lines + _events(session, events)


async def _namespace(session: Session, namespace: Any) -> list[str]:
    from podraft.cli.plans import ending_namespaces
    from podraft.cli.sessions import around

    name = namespace.metadata.name
    if not namespace.metadata.HasField("deletion_timestamp"):
        return await _other(session, namespace)
    objects, more = await around.inside(session, name, _INSIDE_MAX)
    found = ending_namespaces.reasons(namespace, objects, more=more)
    headline = _headline(session, f"namespace/{name}", "Terminating", "")
    return [headline, "", "What holds it:", *_bullets(found)]


async def _other(session: Session, obj: Any) -> list[str]:
    from podraft.api import kinds
    from podraft.cli.output.describe import common
    from podraft.cli.sessions import around

    kind = kinds.BUILT_IN.of(obj)
    lines = [f"{kind.name.lower()}/{obj.metadata.name}"]
    conditions = getattr(getattr(obj, "status", None), "conditions", ())
    if conditions:
        lines += ["", "Conditions:", *_indented(common.conditions(conditions).lines)]
    taints = getattr(getattr(obj, "spec", None), "taints", ())
    lines += [f"  taint {t.key}:{t.effect} keeps pods without a toleration away" for t in taints]
    if obj.metadata.HasField("deletion_timestamp"):
        held = ", ".join(obj.metadata.finalizers) or "nothing that it says"
        lines.append(f"  it is being deleted; held by {held}")
    return lines + _events(session, await around.events_of(session, obj))


def _headline(session: Session, name: str, word: str, rest: str) -> str:
    from podraft.cli.output import colour

    coloured = session.settings.coloured()
    shown = colour.paint_status(word, word) if coloured else word
    return f"{colour.bold(name, enabled=coloured)} is {shown}{rest}"


def _bullets(reasons: Iterable[str]) -> list[str]:
    from podraft.api.characters import one_line

    return [f"  - {one_line(reason)}" for reason in reasons]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _PODS_SHOWN
    shown = ", ".join(names[:_PODS_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def _events(session: Session, events: Sequence[Any]) -> list[str]:
    from podraft.api.columns.events import event_last_s
    from podraft.cli.output.describe import common

    if not events:
        return []
    latest = sorted(events, key=event_last_s)[-_EVENTS_SHOWN:]
    return ["", *common.events(latest, session.now_s())]
