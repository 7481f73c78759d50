"""Reading what belongs to an object: its events, record, replica sets, endpoints, pods.

Owns: how each `Need` of a view is read.  Independent reads run concurrently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, TypeAlias

from podraft.api import kinds
from podraft.api.columns.column import selector_text
from podraft.api.core.v1 import scheduling_pb2
from podraft.api.objects.well_known import SERVICE_NAME_LABEL
from podraft.cli.kinds.pod_reasons import crashed_containers
from podraft.cli.kinds.view import Need, Surroundings
from podraft.cli.plans import rollouts
from podraft.cli.sessions.connection import Session
from podraft.cli.sessions.last_words import last_words
from podraft.client.errors import NotFoundError

_RECORDS_MAX = 20
_CONTENTS_PER_KIND = 50

# The reads around an object, as fields of its surroundings.
_Parts: TypeAlias = dict[str, Any]


async def surroundings(session: Session, obj: Any, needs: Collection[Need]) -> Surroundings:
    """Return what a view needs to know around an object."""
    parts: _Parts = {}
    for found in await asyncio.gather(
        *(read(session, obj) for need, read in _READS.items() if need in needs)
    ):
        parts |= found
    around = Surroundings(**parts)
    if Need.POD_RECORDS in needs:
        around = await _of_pods(session, around)
    return around


async def events_of(session: Session, obj: Any) -> list[Any]:
    """Return an object's events."""
    kind, metadata = kinds.BUILT_IN.of(obj), obj.metadata
    selector = f"regarding.kind={kind.name},regarding.name={metadata.name}"
    found = await session.client.events.list(metadata.namespace, field_selector=selector)
    # A node's events may carry its name as uid, as kubelet's do; others must have the object's uid.
    return [
        event for event in found.items if event.regarding.uid in ("", metadata.uid, metadata.name)
    ]


async def record_of(session: Session, pod: Any) -> scheduling_pb2.SchedulingRecord | None:
    """Return the record of why a pod is where it is; None before the scheduler looked at it."""
    try:
        return await session.client.scheduling_record(pod.metadata.namespace, pod.metadata.name)
    except NotFoundError:
        return None


async def replica_sets_of(session: Session, deployment: Any) -> list[Any]:
    """Return a deployment's replica sets, the oldest revision first."""
    found = await session.client.replica_sets.list(
        deployment.metadata.namespace, label_selector=selector_text(deployment.spec.selector)
    )
    return rollouts.owned(deployment, found.items)


async def pods_of(session: Session, workload: Any) -> list[Any]:
    """Return the pods that a workload's selector matches."""
    found = await session.client.pods.list(
        workload.metadata.namespace, label_selector=selector_text(workload.spec.selector)
    )
    return list(found.items)


async def _of_pods(session: Session, around: Surroundings) -> Surroundings:
    """Add why pods are on no node, and the events of the newest replica set."""
    records = await _pod_records(session, around.pods)
    newest = [await events_of(session, one) for one in around.replica_sets[-1:]]
    return replace(around, pod_records=records, events=[*around.events, *chain(*newest)])


async def _pod_records(
    session: Session, pods: Sequence[Any]
) -> dict[str, scheduling_pb2.SchedulingRecord]:
    """Return the scheduling records of the first few pods without a node, by pod name."""
    pending = [pod for pod in pods if not pod.spec.node_name][:_RECORDS_MAX]
    records = await asyncio.gather(*(record_of(session, pod) for pod in pending))
    both = zip(pending, records, strict=True)
    return {pod.metadata.name: record for pod, record in both if record is not None}


async def _events(session: Session, obj: Any) -> _Parts:
    return {"events": await events_of(session, obj)}


async def _replica_sets(session: Session, deployment: Any) -> _Parts:
    return {"replica_sets": await replica_sets_of(session, deployment)}


async def _slices(session: Session, service: Any) -> _Parts:
    selector = f"{SERVICE_NAME_LABEL}={service.metadata.name}"
    found = await session.client.endpoint_slices.list(
        service.metadata.namespace, label_selector=selector
    )
    return {"slices": list(found.items)}


async def _selected_pods(session: Session, workload: Any) -> _Parts:
    return {"pods": await pods_of(session, workload)}


async def _namespace_pods(session: Session, obj: Any) -> _Parts:
    found = await session.client.pods.list(obj.metadata.namespace)
    return {"pods": list(found.items)}


async def _node_pods(session: Session, node: Any) -> _Parts:
    selector = f"spec.nodeName={node.metadata.name}"
    found = await session.client.pods.list("", field_selector=selector)
    return {"pods": list(found.items)}


async def _record(session: Session, pod: Any) -> _Parts:
    return {"record": await record_of(session, pod)}


async def _last_words(session: Session, pod: Any) -> _Parts:
    found = {name: await last_words(session, pod, name) for name in crashed_containers(pod)}
    return {"last_words": {name: lines for name, lines in found.items() if lines}}


async def _contents(session: Session, namespace: Any) -> _Parts:
    name = namespace.metadata.name
    inner = [kind for kind in kinds.BUILT_IN if kind.namespaced]
    lists = await asyncio.gather(
        *(session.client.resource(kind).list(name, limit=_CONTENTS_PER_KIND) for kind in inner)
    )
    return {
        "contents": [obj for found in lists for obj in found.items],
        "more_contents": any(found.continue_token for found in lists),
    }


_READS: Mapping[Need, Callable[[Session, Any], Coroutine[Any, Any, _Parts]]] = {
    Need.EVENTS: _events,
    Need.REPLICA_SETS: _replica_sets,
    Need.SLICES: _slices,
    Need.SELECTED_PODS: _selected_pods,
    Need.NAMESPACE_PODS: _namespace_pods,
    Need.NODE_PODS: _node_pods,
    Need.RECORD: _record,
    Need.LAST_WORDS: _last_words,
    Need.CONTENTS: _contents,
}
