"""Which pods are bound to which node, for what a node's agent may read.

Owns: an index of pods by node, kept by the same feed that agents watch.  Invariant: an
agent that has been told of its pod finds it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from podraft.api import kinds
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.server.registry import keys
from podraft.server.registry.cache.decoded import DecodedObjects
from podraft.server.registry.cache.feed import Feed, FeedEvent
from podraft.server.state.datastore import Datastore


class NodePods:
    """The pods of each node: their stored bytes, decoded when they are asked for."""

    def __init__(self, decoded: DecodedObjects) -> None:
        self._decoded = decoded
        self._by_node: dict[str, dict[bytes, tuple[int, bytes]]] = {}
        self._node_of: dict[bytes, str] = {}
        # Called with a node and a pod that has left it.
        self.leavers: list[Callable[[str, Pod], None]] = []

    async def follow(self, datastore: Datastore, feed: Feed) -> None:
        """Begin to follow ``feed``, which has not started, from what the store holds now.

        Events up to the revision that is read here will come again; they lead to
        the same state.
        """
        feed.observers.append(self._observe)
        page = await datastore.range(keys.prefix(kinds.POD))
        for record in page.records:
            self._place(record.key, record.mod_revision, record.value, Pod.FromString(record.value))

    def pods_on_node(self, node: str) -> Iterator[Pod]:
        """Yield the pods that are bound to ``node``."""
        for key, (revision, value) in self._by_node.get(node, {}).items():
            yield self._decoded.get(kinds.POD, key, revision, value)

    def _observe(self, event: FeedEvent) -> None:
        stored = event.event
        if stored.value is None:
            self._forget(stored.key)
        else:
            self._place(stored.key, stored.revision, stored.value, event.after)
        before = event.before
        if before is not None and before.spec.node_name:
            node = self._node_of.get(stored.key, "")
            if node != before.spec.node_name:
                for leaver in self.leavers:
                    leaver(before.spec.node_name, before)

    def _forget(self, key: bytes) -> None:
        node = self._node_of.pop(key, None)
        if node is not None:
            here = self._by_node[node]
            del here[key]
            if not here:
                del self._by_node[node]

    def _place(self, key: bytes, revision: int, value: bytes, pod: Pod) -> None:
        node = pod.spec.node_name
        if self._node_of.get(key, "") != node:
            self._forget(key)
        if node:
            self._node_of[key] = node
            self._by_node.setdefault(node, {})[key] = (revision, value)
