"""Reading what belongs to an object: its events, record, replica sets, endpoints, pods."""

from __future__ import annotations

import asyncio
from typing import Any

from podraft.api import kinds
from podraft.api.columns.column import selector_text
from podraft.api.core.v1 import scheduling_pb2
from podraft.api.objects.well_known import SERVICE_NAME_LABEL
from podraft.cli.plans import rollouts
from podraft.cli.sessions.connection import Session
from podraft.client.errors import NotFoundError


async def events_of(session: Session, obj: Any) -> list[Any]:
    """Return what happened to an object."""
    kind, metadata = kinds.BUILT_IN.of(obj), obj.metadata
    selector = f"regarding.kind={kind.name},regarding.name={metadata.name}"
    found = await session.client.events.list(metadata.namespace, field_selector=selector)
    # A node's events may carry its name as uid, as kubelet's do; of the others, only this one's.
    return [
        event for event in found.items if event.regarding.uid in ("", metadata.uid, metadata.name)
    ]


async def record_of(session: Session, pod: Any) -> scheduling_pb2.SchedulingRecord | None:
    """Return why a pod is where it is; None before the scheduler looked at it."""
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


async def slices_of(session: Session, service: Any) -> list[Any]:
    """Return a service's endpoint slices."""
    found = await session.client.endpoint_slices.list(
        service.metadata.namespace,
        label_selector=f"{SERVICE_NAME_LABEL}={service.metadata.name}",
    )
    return list(found.items)


async def inside(session: Session, namespace: str, per_kind: int) -> tuple[list[Any], bool]:
    """Return what is in a namespace, of each kind so many, and whether there is more."""
    inner = [kind for kind in kinds.BUILT_IN if kind.namespaced]
    lists = await asyncio.gather(
        *(session.client.resource(kind).list(namespace, limit=per_kind) for kind in inner)
    )
    return [obj for found in lists for obj in found.items], any(f.continue_token for f in lists)


async def pods_on(session: Session, node: Any) -> list[Any]:
    """Return the pods of a node, of all namespaces."""
    found = await session.client.pods.list("", field_selector=f"spec.nodeName={node.metadata.name}")
    return list(found.items)
