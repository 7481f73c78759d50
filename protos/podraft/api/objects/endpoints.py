"""The conditions of an endpoint in a slice, where unset ones count in its favour.

Slices written by hand set few conditions.  By default an endpoint is ready, serves if it is
ready, and is not ending.
"""

from __future__ import annotations

from podraft.api.discovery.v1 import endpoint_slice_pb2


def is_ready(endpoint: endpoint_slice_pb2.Endpoint) -> bool:
    """Return whether an endpoint should get new connections."""
    conditions = endpoint.conditions
    return conditions.ready or not conditions.HasField("ready")


def is_serving(endpoint: endpoint_slice_pb2.Endpoint) -> bool:
    """Return whether an endpoint answers, even if it is ending."""
    conditions = endpoint.conditions
    return conditions.serving if conditions.HasField("serving") else is_ready(endpoint)


def is_draining(endpoint: endpoint_slice_pb2.Endpoint) -> bool:
    """Return whether an endpoint is ending and still answers."""
    return endpoint.conditions.terminating and is_serving(endpoint)
