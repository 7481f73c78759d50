"""The agent that serves a pod's container, for its logs and for commands in it.

Owns: the way from a pod's name to an address.  Invariant: an agent's address comes with the key
that must answer there, so that nobody else is mistaken for the agent.
"""

from __future__ import annotations

from dataclasses import dataclass

from podraft.api import kinds
from podraft.api.core.v1.node_pb2 import Node
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.core.v1.pod_streams_pb2 import StreamPodLogsRequest
from podraft.api.objects import nodes
from podraft.server.auth.node_records import NodeRecord
from podraft.server.registry import keys
from podraft.server.registry.access.node_registry import NodeRegistry
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.registry.targets import described, existing
from podraft.server.state.datastore import Datastore


@dataclass(frozen=True, slots=True)
class Target:
    """The place of a container: its node's name, the agent's address, and the agent's identity.

    ``key`` is the fingerprint of the key that must answer; empty: not known.  ``older``: its
    certificate is from before nodes had names of their own.
    """

    container: str
    node: str
    address: str
    key: str = ""
    older: bool = False


class Agents:
    """The agents, found by the pods on their nodes."""

    def __init__(self, datastore: Datastore, caches: Caches, nodes: NodeRegistry) -> None:
        self._datastore = datastore
        self._caches = caches
        self._nodes = nodes

    async def find(self, namespace: str, name: str, container: str | None) -> Target:
        """Return the place of a pod's container, or for None that of the pod as a whole.

        Raises:
            RefusedError: The pod is on no node (yet), or the node has not said where its agent is.
        """
        record = await existing(self._datastore, kinds.POD, namespace, name)
        pod: Pod = self._caches.of(kinds.POD).objects.of(record)
        what = described(kinds.POD, namespace, name)
        container = "" if container is None else _container(pod, container, what)
        node_name = pod.spec.node_name
        if not node_name:
            raise RefusedError(Code.FAILED_PRECONDITION, f"{what} is not on a node yet")
        node_record = await self._datastore.get(keys.of_object(kinds.NODE, "", node_name))
        if node_record is None:
            raise RefusedError(
                Code.UNAVAILABLE, f'{what} is on node "{node_name}", which does not exist any more'
            )
        node: Node = self._caches.of(kinds.NODE).objects.of(node_record)
        known = self._nodes.record(node_name) or NodeRecord("")
        if known.removed_at_s:
            raise RefusedError(
                Code.UNAVAILABLE, f'{what} is on node "{node_name}", which was removed'
            )
        return Target(container, node_name, _agent_address(node), known.key, known.older)


def _container(pod: Pod, wanted: str, what: str) -> str:
    """Return the container that a call means.

    Raises:
        RefusedError: There is no such container, or the call does not say clearly which it means.
    """
    names = [container.name for container in pod.spec.containers]
    initial = [container.name for container in pod.spec.init_containers]
    if wanted:
        if wanted not in names and wanted not in initial:
            known = ", ".join((*names, *initial))
            raise RefusedError(
                Code.NOT_FOUND, f'{what} has no container "{wanted[:64]}"; it has: {known}'
            )
        return wanted
    if len(names) > 1:
        raise invalid("container", f"is required: {what} has {', '.join(names)}")
    return names[0]


def _agent_address(node: Node) -> str:
    name = node.metadata.name
    port = node.status.daemon_endpoints.kubelet_endpoint.port
    for address in nodes.addresses(node, nodes.INTERNAL_IP):
        if port:
            host = f"[{address}]" if ":" in address else address
            return f"{host}:{port}"
    raise RefusedError(
        Code.UNAVAILABLE, f'node "{name}" has not said yet where its agent can be reached'
    )


def check_logs(request: StreamPodLogsRequest) -> None:
    """Check the options of a call for logs.

    Raises:
        RefusedError: It asks for a negative number of lines, or for no bytes.
    """
    if request.HasField("tail_lines") and request.tail_lines < 0:
        raise invalid("tailLines", "must not be negative")
    if request.HasField("limit_bytes") and request.limit_bytes <= 0:
        raise invalid("limitBytes", "must be positive")
