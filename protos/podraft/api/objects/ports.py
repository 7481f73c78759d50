"""Ports given by number or by a container port's name.

Invariant: the ``type`` of an ``IntOrString`` decides which of the two it is, as in Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from podraft.api.core.v1 import container_pb2, pod_pb2, service_pb2
from podraft.api.meta.v1 import meta_pb2

TCP: Final = "TCP"
PROTOCOLS: Final = (TCP, "UDP", "SCTP")
_TEXT: Final = 1


class Port(Protocol):
    """A port with a protocol: a container's, a Service's or an endpoint's."""

    @property
    def protocol(self) -> str:
        """The port's protocol; empty if it names none."""


def protocol_of(port: Port) -> str:
    """Return a port's protocol; TCP if it names none."""
    return port.protocol or TCP


def is_named(port: meta_pb2.IntOrString) -> bool:
    """Return whether a port is given by name."""
    return port.type == _TEXT


def number_of(
    ports: Iterable[container_pb2.ContainerPort], name: str, protocol: str = ""
) -> int | None:
    """Return the number of the first port with this name and, if given, protocol, or None."""
    for port in ports:
        if port.name == name and protocol in ("", protocol_of(port)):
            return port.container_port
    return None


def target_number(port: service_pb2.ServicePort, pod: pod_pb2.Pod) -> int | None:
    """Return the pod's port number for a Service's port; None if the pod has no such port."""
    target = port.target_port
    if not is_named(target):
        return target.int_val or port.port
    declared = (one for container in pod.spec.containers for one in container.ports)
    return number_of(declared, target.str_val, protocol_of(port))


def target_text(port: service_pb2.ServicePort) -> str:
    """Return a Service's target port as written: a number or a port's name."""
    target = port.target_port
    return target.str_val if is_named(target) else str(target.int_val or port.port)
