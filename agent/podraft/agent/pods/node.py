"""What all workers of the node share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from podraft.agent.podman.client import PodmanClient
from podraft.agent.podman.core.machine import MachineFacts
from podraft.agent.pods.lifecycle.exits import ExitWatcher
from podraft.agent.pods.lifecycle.images import Images
from podraft.agent.pods.lifecycle.oom import OutOfMemoryLog
from podraft.agent.pods.probing.probes import ProbeSlots
from podraft.agent.pods.reports.events import Recorder
from podraft.agent.pods.reports.statuses import StatusWriter
from podraft.agent.pods.sandbox.configuration import ConfigurationCache
from podraft.agent.volumes.manager import VolumeManager
from podraft.api.core.v1 import service_pb2
from podraft.client.clock import Clock
from podraft.client.watching.informer import Informer

_STARTS_AT_ONCE = 4


class Attachment(Protocol):
    """A pod's pinned namespaces and address, as the network part makes them."""

    @property
    def net_path(self) -> str:
        """The network namespace."""

    @property
    def ipc_path(self) -> str:
        """The IPC namespace."""

    @property
    def uts_path(self) -> str:
        """The UTS namespace."""

    @property
    def address(self) -> str:
        """The pod's address."""


class Network(Protocol):
    """What pods need of the node's network."""

    async def attach(self, pod_uid: str, hostname: str, *, host_network: bool) -> Attachment:
        """Return the pod's attachment, making it if need be."""

    async def detach(self, pod_uid: str) -> None:
        """Release everything of a pod."""

    async def attachments(self) -> Mapping[str, Attachment]:
        """Return all attachments by pod uid."""


@dataclass(frozen=True, slots=True)
class Node:
    """The parts of the node that the workers use."""

    name: str
    address: str
    facts: MachineFacts
    podman: PodmanClient
    network: Network
    volumes: VolumeManager
    images: Images
    exits: ExitWatcher
    out_of_memory: OutOfMemoryLog
    probes: ProbeSlots
    configuration: ConfigurationCache
    services: Informer[service_pb2.Service]
    statuses: StatusWriter
    recorder: Recorder
    clock: Clock = field(default_factory=Clock)
    starts: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_STARTS_AT_ONCE))
