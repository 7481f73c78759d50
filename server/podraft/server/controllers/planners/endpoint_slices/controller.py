"""The triggers of the EndpointSlice controller, and how it finds the slices of a Service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import ENDPOINT_SLICE, POD, SERVICE, KnownKinds
from podraft.api.objects import well_known
from podraft.api.objects.pods import is_active, is_ready
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.indexes import BY_NAMESPACE
from podraft.server.controllers.core.plan import ObjectKey, Snapshot
from podraft.server.controllers.core.triggers import itself, key_of
from podraft.server.controllers.planners.endpoint_slices.plan import BY_SERVICE, plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller."""
    return Controller(
        "endpoint-slices",
        plan,
        {SERVICE: itself, ENDPOINT_SLICE: _service_of_slice, POD: _selecting_services},
        indexes={ENDPOINT_SLICE: {BY_SERVICE: _index_by_service}},
        pace_s=0.05,
    )


def _index_by_service(endpoint_slice: Any) -> Iterator[str]:
    service = endpoint_slice.metadata.labels.get(well_known.SERVICE_NAME_LABEL)
    if service:
        yield f"{endpoint_slice.metadata.namespace}/{service}"


def _service_of_slice(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    for obj in (old, new):
        if obj is not None:
            service = obj.metadata.labels.get(well_known.SERVICE_NAME_LABEL)
            if service:
                yield ObjectKey(obj.metadata.namespace, service)


def _selecting_services(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    if old is not None and new is not None and not _matters(old, new):
        return
    namespace = (new or old).metadata.namespace
    for service in snapshot.by_index(SERVICE, BY_NAMESPACE, namespace):
        wanted = service.spec.selector
        for obj in (old, new):
            if obj is not None and wanted:
                labels = obj.metadata.labels
                if all(labels.get(label) == value for label, value in wanted.items()):
                    yield key_of(service)
                    break


def _matters(old: pod_pb2.Pod, new: pod_pb2.Pod) -> bool:
    return (
        is_active(old) != is_active(new)
        or is_ready(old) != is_ready(new)
        or old.status.pod_ip != new.status.pod_ip
        or old.spec.node_name != new.spec.node_name
        or old.metadata.labels != new.metadata.labels
    )
