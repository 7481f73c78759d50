"""The EndpointSlice controller's decisions: which addresses answer for a Service.

Owns: the slices of Services that have a selector.

Invariants: a slice has at most `SLICE_MAX` endpoints, all with the slice's ports; an
endpoint stays in its slice, so that a change of one pod writes one slice; slices that
others manage are not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import pod_pb2, service_pb2
from podraft.api.discovery.v1 import endpoint_slice_pb2
from podraft.api.kinds import ENDPOINT_SLICE, NAMESPACE, NODE, POD, SERVICE
from podraft.api.moments import Now
from podraft.api.objects import owners, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_finished, is_ready
from podraft.api.objects.ports import is_named, protocol_of, target_number
from podraft.api.selectors.labels import exact_selector
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.indexes import BY_NAMESPACE
from podraft.server.controllers.core.plan import ObjectKey, Plan, Snapshot
from podraft.server.kinds.core.pod.addresses import is_usable

# EndpointSlices, by ``namespace/service``.
BY_SERVICE = "service"

SLICE_MAX = 100
MANAGER = "endpointslice-controller.k8s.io"

# Name, protocol, number of each port: what all endpoints of a slice share.
Ports: TypeAlias = tuple[tuple[str, str, int], ...]
Slice: TypeAlias = endpoint_slice_pb2.EndpointSlice
Endpoint: TypeAlias = endpoint_slice_pb2.Endpoint


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Return the writes that bring one Service's slices in line with its pods."""
    service = snapshot.get(SERVICE, key.name, key.namespace)
    namespace = snapshot.get(NAMESPACE, key.namespace)
    if (
        service is None
        or not service.spec.selector
        or is_deleting(service.metadata)
        or (namespace is not None and is_deleting(namespace.metadata))
    ):
        # A deleted Service takes its slices along: it owns them.
        return Plan()
    existing = [
        found
        for found in snapshot.by_index(ENDPOINT_SLICE, BY_SERVICE, f"{key.namespace}/{key.name}")
        if found.metadata.labels.get(well_known.SLICE_MANAGER_LABEL) == MANAGER
        and not is_deleting(found.metadata)
    ]
    wanted = _wanted_endpoints(snapshot, service)
    return Plan(tuple(_reconcile(service, existing, wanted)))


def _wanted_endpoints(
    snapshot: Snapshot, service: service_pb2.Service
) -> dict[Ports, dict[str, Endpoint]]:
    """Return the endpoints by ports, then by address, without pods whose address is invalid."""
    selector = exact_selector(service.spec.selector)
    wanted: dict[Ports, dict[str, Endpoint]] = {}
    for pod in snapshot.by_index(POD, BY_NAMESPACE, service.metadata.namespace):
        if not selector.matches(pod.metadata.labels):
            continue
        if not pod.status.pod_ip or is_finished(pod):
            continue
        if not is_usable(pod, snapshot.get(NODE, pod.spec.node_name)):
            continue
        ports = _ports(service, pod)
        if ports is None:
            continue
        endpoints = wanted.setdefault(ports, {})
        # A pod's address is given again when the pod ends: the pod that stays has it.
        if pod.status.pod_ip not in endpoints or not is_deleting(pod.metadata):
            endpoints[pod.status.pod_ip] = _endpoint(service, pod)
    return wanted


def _ports(service: service_pb2.Service, pod: pod_pb2.Pod) -> Ports | None:
    """Return the pod's numbers for the Service's ports; None if it has none of them."""
    ports = []
    for port in service.spec.ports:
        number = target_number(port, pod)
        if number is not None:
            ports.append((port.name, protocol_of(port), number))
    if service.spec.ports and not ports:
        return None
    return tuple(ports)


def _endpoint(service: service_pb2.Service, pod: pod_pb2.Pod) -> Endpoint:
    serving = is_ready(pod)
    terminating = is_deleting(pod.metadata)
    endpoint = endpoint_slice_pb2.Endpoint(addresses=[pod.status.pod_ip])
    endpoint.conditions.ready = service.spec.publish_not_ready_addresses or (
        serving and not terminating
    )
    endpoint.conditions.serving = serving
    endpoint.conditions.terminating = terminating
    if pod.spec.node_name:
        endpoint.node_name = pod.spec.node_name
    if pod.spec.hostname:
        endpoint.hostname = pod.spec.hostname
    target = endpoint.target_ref
    target.kind, target.namespace = "Pod", pod.metadata.namespace
    target.name, target.uid = pod.metadata.name, pod.metadata.uid
    return endpoint


@dataclass(slots=True)
class _Draft:
    """One existing slice and its new content."""

    stored: Slice
    endpoints: list[Endpoint] = field(default_factory=list)

    @property
    def is_changed(self) -> bool:
        return list(self.stored.endpoints) != self.endpoints


def _reconcile(
    service: service_pb2.Service,
    existing: Sequence[Slice],
    wanted: dict[Ports, dict[str, Endpoint]],
) -> list[commit_pb2.Write]:
    by_ports: dict[Ports, list[Slice]] = {}
    for stored in existing:
        by_ports.setdefault(_ports_of(stored), []).append(stored)
    if not wanted:
        # One empty slice tells a Service without endpoints from one that is not looked at yet.
        numbers = [
            (port.name, protocol_of(port), _placeholder_number(port)) for port in service.spec.ports
        ]
        wanted = {next(iter(sorted(by_ports)), tuple(numbers)): {}}
    planned: list[commit_pb2.Write] = []
    for ports, slices in by_ports.items():
        if ports not in wanted:
            planned += [_deletion(stored) for stored in slices]
    for ports in sorted(wanted):
        planned += _reconcile_ports(service, ports, by_ports.get(ports, []), wanted[ports])
    return planned


def _placeholder_number(port: service_pb2.ServicePort) -> int:
    target = port.target_port
    return port.port if is_named(target) else target.int_val or port.port


def _ports_of(stored: Slice) -> Ports:
    return tuple((port.name, port.protocol, port.port) for port in stored.ports)


def _reconcile_ports(
    service: service_pb2.Service,
    ports: Ports,
    existing: Sequence[Slice],
    wanted: dict[str, Endpoint],
) -> list[commit_pb2.Write]:
    """Keep endpoints where they are, drop those that are gone, place new ones."""
    drafts, left = _keep(existing, dict(wanted))
    new = [left[address] for address in sorted(left)]
    # Slices that are written anyway are filled first, then the fullest that have room.
    for draft in sorted(drafts, key=lambda d: (not d.is_changed, -len(d.endpoints))):
        room = SLICE_MAX - len(draft.endpoints)
        if new and room > 0:
            draft.endpoints += new[:room]
            new = new[room:]
    planned: list[commit_pb2.Write] = []
    kept_one = False
    for draft in drafts:
        if draft.endpoints or (not wanted and not kept_one):
            kept_one = True
            planned += _update(service, draft)
        else:
            planned.append(_deletion(draft.stored))
    chunks = [new[start : start + SLICE_MAX] for start in range(0, len(new), SLICE_MAX)]
    if not drafts and not chunks:
        chunks = [[]]
    planned += [writes.create(_make(service, ports, chunk)) for chunk in chunks]
    return planned


def _keep(
    existing: Sequence[Slice], left: dict[str, Endpoint]
) -> tuple[list[_Draft], dict[str, Endpoint]]:
    """Return the slices with the endpoints that stay, and the endpoints that have no place."""
    drafts = []
    for stored in objects.oldest_first(existing):
        draft = _Draft(stored)
        for endpoint in stored.endpoints:
            kept = left.pop(endpoint.addresses[0], None) if endpoint.addresses else None
            if kept is not None:
                draft.endpoints.append(kept)
        drafts.append(draft)
    return drafts, left


def _update(service: service_pb2.Service, draft: _Draft) -> list[commit_pb2.Write]:
    changed = objects.copied(draft.stored)
    if draft.is_changed:
        del changed.endpoints[:]
        changed.endpoints.extend(draft.endpoints)
    _mark(service, changed)
    return [writes.update(changed)] if changed != draft.stored else []


def _make(service: service_pb2.Service, ports: Ports, endpoints: Sequence[Endpoint]) -> Slice:
    made = endpoint_slice_pb2.EndpointSlice(address_type="IPv4", endpoints=endpoints)
    made.metadata.generate_name = f"{service.metadata.name}-"
    made.metadata.namespace = service.metadata.namespace
    for name, protocol, number in ports:
        # A Service's only port may have no name; consumers expect the field all the same.
        made.ports.add(name=name, protocol=protocol, port=number)
    _mark(service, made)
    return made


def _mark(service: service_pb2.Service, made: Slice) -> None:
    """Label ``made`` with the Service that it belongs to."""
    labels = made.metadata.labels
    labels[well_known.SERVICE_NAME_LABEL] = service.metadata.name
    labels[well_known.SLICE_MANAGER_LABEL] = MANAGER
    if service.spec.cluster_ip == "None":
        labels[well_known.HEADLESS_LABEL] = ""
    else:
        labels.pop(well_known.HEADLESS_LABEL, None)
    owner = owners.controller_reference(SERVICE, service)
    if list(made.metadata.owner_references) != [owner]:
        del made.metadata.owner_references[:]
        made.metadata.owner_references.append(owner)


def _deletion(stored: Slice) -> commit_pb2.Write:
    metadata = stored.metadata
    return writes.delete(ENDPOINT_SLICE, metadata.name, metadata.namespace, uid=metadata.uid)
