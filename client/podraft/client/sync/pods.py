"""The calls of pods, for programs without an event loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from podraft.api.core.v1 import pod_pb2
from podraft.client.calls.pods.client import PodClient
from podraft.client.calls.pods.forwarding import PortForward
from podraft.client.sync.loop import Calls
from podraft.client.sync.resources import SyncResource


class SyncPods(SyncResource[pod_pb2.Pod]):
    """The blocking calls of pods; `PodClient` documents each."""

    def __init__(self, pods: PodClient, calls: Calls) -> None:
        super().__init__(pods, calls)
        self._pods = pods
        self.evict = calls.blocking(pods.evict)
        self.logs = calls.iterating(pods.logs)
        self.exec = calls.blocking(pods.exec)

    @contextmanager
    def port_forward(
        self,
        name: str,
        port: int,
        namespace: str,
        *,
        local_port: int = 0,
        local_address: str = "127.0.0.1",
    ) -> Iterator[PortForward]:
        """Forward a local port, 0 for any that is free, to a pod's within a ``with`` block.

        The ``port`` of what the block gets is where to connect.
        """
        forward = self._pods.port_forward(
            name, port, namespace, local_port=local_port, local_address=local_address
        )
        self._calls.run(forward.__aenter__())
        try:
            yield forward
        finally:
            if not self._calls.closed:
                self._calls.run(forward.__aexit__(None, None, None))
