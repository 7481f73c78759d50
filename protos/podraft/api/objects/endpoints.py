"""What an endpoint of a slice says of itself; what it does not say counts in its favour.

Slices written by hand say little.  Unset, an endpoint is ready, it serves if it is ready, and it
is not ending.
"""

from __future__ import annotations

from podraft.api.discovery.v1 import endpoint_slice_pb2


def is_ready(endpoint: endpoint_slice_pb2.Endpoint) -> bool:
    """Say whether an endpoint should get new connections."""
    conditions = endpoint.conditions
    return conditions.ready or not conditions.HasField("ready")


def is_serving(endpoint: endpoint_slice_pb2.Endpoint) -> bool:
    """Say whether an endpoint answers, though it may be ending."""
    conditions = endpoint.conditions
    return conditions.serving if conditions.HasField("serving") else is_ready(endpoint)


def is_draining(endpoint: endpoint_slice_pb2.Endpoint) -> bool:
    """Say whether an endpoint is ending and still answers."""
    return endpoint.conditions.terminating and is_serving(endpoint)
