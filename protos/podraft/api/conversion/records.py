"""Old forms of ``coordination``, ``discovery`` and ``events``: what components write."""

from __future__ import annotations

from typing import Final

from podraft.api.conversion.table import Manifest, Present, Table, default, mappings_in

_HOSTNAME: Final = "kubernetes.io/hostname"
_ZONE: Final = "topology.kubernetes.io/zone"


def _endpoint_slice(manifest: Manifest) -> None:
    """Take node and zone out of the topology; what is left of it has another name."""
    for endpoint in mappings_in(manifest, "endpoints"):
        topology = endpoint.pop("topology", None)
        if not isinstance(topology, dict):
            continue
        node, zone = topology.pop(_HOSTNAME, None), topology.pop(_ZONE, None)
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
