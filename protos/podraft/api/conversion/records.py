"""Old forms of ``coordination``, ``discovery`` and ``events``: what components write."""

from __future__ import annotations

from typing import Final

from podraft.api.conversion.table import Manifest, Present, Table, default, mappings_in
from podraft.api.objects import well_known

_TAKEN_OUT: Final = (well_known.HOSTNAME_LABEL, well_known.ZONE_LABEL)


def _endpoint_slice(manifest: Manifest) -> None:
    """Take node and zone out of the topology; what is left of it has another name."""
    for endpoint in mappings_in(manifest, "endpoints"):
        topology = endpoint.pop("topology", None)
        if not isinstance(topology, dict):
            continue
        node, zone = (topology.pop(name, None) for name in _TAKEN_OUT)
        if node is not None:
            default(endpoint, "nodeName", node)
        if zone is not None:
            default(endpoint, "zone", zone)
        if topology:
            endpoint["deprecatedTopology"] = topology


TABLE: Final[Table] = {
    ("coordination.k8s.io/v1beta1", "Lease"): Present("coordination.k8s.io/v1"),
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): Present("discovery.k8s.io/v1", _endpoint_slice),
    ("events.k8s.io/v1beta1", "Event"): Present("events.k8s.io/v1"),
}
