"""The pods that are bound to each node, for what a node's agent may read.

Owns: the index of pods by node.  Invariant: an agent that has been told of its pod finds it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from podraft.api.core.v1.pod_pb2 import Pod
from podraft.server.registry.cache.decoded import DecodedObjects
from podraft.server.registry.cache.events import CachedEvent
from podraft.server.state.datastore import Record


class NodeIndex:
    """The pods of each node: their stored bytes, decoded when they are asked for."""

    def __init__(self, objects: DecodedObjects) -> None:
        self._objects = objects
        self._by_node: dict[str, dict[bytes, tuple[int, bytes]]] = {}
        self._node_of: dict[bytes, str] = {}
        # Called with a node and a pod that has left it.
        self.leavers: list[Callable[[str, Pod], None]] = []

    def pods_on_node(self, node: str) -> Iterator[Pod]:
        """Yield the pods that are bound to ``node``."""
        for key, (revision, value) in self._by_node.get(node, {}).items():
            yield self._objects.get(key, revision, value)

    def replace(self, records: Iterable[Record]) -> None:
        """Replace the index with all pods that there are now."""
        former = self._by_node
        self._by_node, self._node_of = {}, {}
        for record in records:
            pod = Pod.FromString(record.value)
            self._place(record.key, record.mod_revision, record.value, pod.spec.node_name)
        for node, pods in former.items():
            for key, (revision, value) in pods.items():
                if self._node_of.get(key, "") != node:
                    self._tell(node, self._objects.get(key, revision, value))

    def take(self, event: CachedEvent) -> None:
        """Apply one change.

        Changes that `replace` knew already may come again; they lead to the same state.
        """
        stored = event.event
        if stored.value is None:
            self._forget(stored.key)
        else:
            node = event.after.spec.node_name
            self._place(stored.key, stored.revision, stored.value, node)
        before = event.before
        if before is not None and before.spec.node_name:
            node = before.spec.node_name
            if self._node_of.get(stored.key, "") != node:
                self._tell(node, before)

    def _tell(self, node: str, pod: Pod) -> None:
        for leaver in self.leavers:
            leaver(node, pod)

    def _forget(self, key: bytes) -> None:
        node = self._node_of.pop(key, None)
        if node is not None:
            here = self._by_node[node]
            del here[key]
            if not here:
                del self._by_node[node]

    def _place(self, key: bytes, revision: int, value: bytes, node: str) -> None:
        if self._node_of.get(key, "") != node:
            self._forget(key)
        if node:
            self._node_of[key] = node
            self._by_node.setdefault(node, {})[key] = (revision, value)
