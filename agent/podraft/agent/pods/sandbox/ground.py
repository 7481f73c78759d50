"""The common ground of all pods' sandboxes: the node's network, volumes and configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from podraft.agent.podman.core.machine import MachineFacts
from podraft.agent.pods.sandbox.configuration import ConfigurationCache
from podraft.agent.volumes.manager import VolumeManager


class Attachment(Protocol):
    """A pod's pinned namespaces and address, as the network part makes them."""

    @property
    def net_path(self) -> str:
        """The path of the network namespace."""

    @property
    def ipc_path(self) -> str:
        """The path of the IPC namespace."""

    @property
    def uts_path(self) -> str:
        """The path of the UTS namespace."""

    @property
    def address(self) -> str:
        """The pod's address."""


class Network(Protocol):
    """The part of the node's network that pods need."""

    async def attach(self, pod_uid: str, hostname: str, *, host_network: bool) -> Attachment:
        """Return the pod's attachment, making it if necessary."""

    async def detach(self, pod_uid: str) -> None:
        """Release everything of a pod."""

    async def attachments(self) -> Mapping[str, Attachment]:
        """Return all attachments by pod uid."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The node's name and address, and the parts that its sandboxes are made of."""

    node_name: str
    node_address: str
    facts: MachineFacts
    network: Network
    volumes: VolumeManager
    configuration: ConfigurationCache

    async def left_over(self) -> set[str]:
        """Return the uids of all pods that have a network or anything on the disk.

        Raises:
            OSError: The disk refuses.
        """
        return {*self.volumes.uids(), *await self.network.attachments()}
