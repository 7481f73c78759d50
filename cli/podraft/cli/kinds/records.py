"""The views of EndpointSlices, Leases and Events, which podraft's own parts write."""

from __future__ import annotations

from podraft.api.columns import ages
from podraft.api.coordination.v1 import lease_pb2
from podraft.api.discovery.v1 import endpoint_slice_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.objects.endpoints import is_ready, is_serving
from podraft.api.objects.ports import protocol_of
from podraft.cli.kinds.view import Surroundings, View
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import NONE, Below, block, table


class EndpointSliceView(View[endpoint_slice_pb2.EndpointSlice]):
    """The view of an endpoint slice, with every endpoint."""

    def body(
        self, endpoints: endpoint_slice_pb2.EndpointSlice, around: Surroundings, now_s: float
    ) -> list[str]:
        """Return the lines of an endpoint slice without its events."""
        pairs = common.metadata(endpoints.metadata, namespaced=True)
        pairs.append(("AddressType", endpoints.address_type))
        ports = [f"{p.name or '<unset>'} {p.port}/{protocol_of(p)}" for p in endpoints.ports]
        pairs.append(("Ports", ports))
        rows = [
            [
                ",".join(point.addresses),
                str(is_ready(point)),
                str(is_serving(point)),
                str(point.conditions.terminating),
                f"{point.target_ref.kind}/{point.target_ref.name}",
                point.node_name or NONE,
            ]
            for point in endpoints.endpoints
        ]
        headers = ["Addresses", "Ready", "Serving", "Terminating", "Target", "Node"]
        pairs.append(("Endpoints", Below(table(headers, rows) if rows else [])))
        return block(pairs)


class LeaseView(View[lease_pb2.Lease]):
    """The view of a lease: who holds it, and since when."""

    def body(self, lease: lease_pb2.Lease, around: Surroundings, now_s: float) -> list[str]:
        """Return the lines of a lease without its events."""
        spec = lease.spec
        pairs = common.metadata(lease.metadata, namespaced=True)
        pairs += [
            ("Holder", spec.holder_identity or NONE),
            ("Duration", f"{spec.lease_duration_seconds}s"),
            ("Acquired", f"{ages.age(spec.acquire_time, now_s)} ago"),
            ("Renewed", f"{ages.age(spec.renew_time, now_s)} ago"),
            ("Transitions", str(spec.lease_transitions)),
        ]
        return block(pairs)


class EventView(View[event_pb2.Event]):
    """The view of an event, which has no events of its own."""

    def describe(self, event: event_pb2.Event, around: Surroundings, now_s: float) -> list[str]:
        """Return the lines of an event."""
        pairs = common.metadata(event.metadata, namespaced=True)
        regarding = event.regarding
        pairs += [
            ("Type", event.type),
            ("Reason", event.reason),
            ("Message", event.note),
            ("Regarding", f"{regarding.kind}/{regarding.name} in {regarding.namespace or NONE}"),
            ("Action", event.action or NONE),
            ("From", f"{event.reporting_controller} {event.reporting_instance}".strip()),
            ("Count", str(max(event.series.count, 1))),
        ]
        return block(pairs)
