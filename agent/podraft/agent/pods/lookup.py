"""Finding a container on this node by the names that users know.

Invariant: every refusal names what is missing: the pod, the container, or its process.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from podraft.agent.commands.container_command import RunningContainer
from podraft.agent.network.namespaces import in_network_namespace
from podraft.agent.network.pod_network import Attachment
from podraft.agent.podman.core import spec
from podraft.agent.podman.core.records import ContainerRecord
from podraft.agent.streams.rotation import OpenLog
from podraft.agent.streams.service import ContainerLogs, UnknownContainerError
from podraft.agent.volumes.manager import VolumeManager
from podraft.api.core.v1 import pod_pb2

_CONNECT_S_MAX: Final = 5.0


class Worker(Protocol):
    """The part of a pod's worker that is needed here."""

    def records(self) -> tuple[ContainerRecord, ...]:
        """Return the pod's containers."""


class Workers(Protocol):
    """The part of the pod manager that is needed here."""

    def pod(self, namespace: str, name: str) -> pod_pb2.Pod | None:
        """Return a pod of this node."""

    def worker(self, pod_uid: str) -> Worker | None:
        """Return a pod's worker."""

    def workers(self) -> tuple[Worker, ...]:
        """Return all workers."""


class ContainerLookup:
    """The lookup of containers for the stream service."""

    def __init__(
        self,
        workers: Workers,
        volumes: VolumeManager,
        attachments: Callable[[], Awaitable[Mapping[str, Attachment]]],
    ) -> None:
        self._workers = workers
        self._volumes = volumes
        self._attachments = attachments

    def logs(self, namespace: str, pod: str, container: str, *, previous: bool) -> ContainerLogs:
        """Return the log of the latest attempt, or of the attempt before it."""
        found, name = self._pod(namespace, pod, container)
        attempts = self._attempts(found.metadata.uid, name)
        wanted = 2 if previous else 1
        if len(attempts) < wanted:
            what = "has no previous attempt" if previous and attempts else "has not started yet"
            raise UnknownContainerError(f'container "{name}" in pod "{pod}" {what}')
        record = attempts[-wanted]

        def alive() -> bool:
            current = {r.id: r for r in self._attempts(found.metadata.uid, name)}.get(record.id)
            return current is not None and current.running

        return ContainerLogs(self._path(record), alive)

    def running(self, namespace: str, pod: str, container: str) -> RunningContainer:
        """Return the container of the latest attempt, which must be running."""
        found, name = self._pod(namespace, pod, container)
        attempts = self._attempts(found.metadata.uid, name)
        if not attempts or not attempts[-1].running:
            raise UnknownContainerError(f'container "{name}" in pod "{pod}" is not running')
        latest = attempts[-1]
        return RunningContainer(latest.id, latest.runtime, Path(latest.directory))

    async def connect(self, namespace: str, pod: str, port: int) -> socket.socket:
        """Return a connection to a port on a pod's own loopback address."""
        found, _ = self._pod(namespace, pod, "")
        attachment = (await self._attachments()).get(found.metadata.uid)
        if attachment is None:
            raise UnknownContainerError(f'pod "{pod}" has no network yet')

        def dial() -> socket.socket:
            return socket.create_connection(("127.0.0.1", port), _CONNECT_S_MAX)

        # A socket stays in the namespace that it was made in, whichever thread uses it.
        return await asyncio.to_thread(in_network_namespace, Path(attachment.net_path), dial)

    def open_logs(self) -> list[OpenLog]:
        """Return the logs that are being written."""
        return [
            OpenLog(self._path(record), Path(record.directory))
            for worker in self._workers.workers()
            for record in worker.records()
            if record.running
        ]

    def _pod(self, namespace: str, pod: str, container: str) -> tuple[pod_pb2.Pod, str]:
        found = self._workers.pod(namespace, pod)
        if found is None:
            raise UnknownContainerError(f'pod "{namespace}/{pod}" is not on this node')
        spec_containers = [*found.spec.init_containers, *found.spec.containers]
        names = [c.name for c in spec_containers]
        name = container or found.spec.containers[0].name
        if name not in names:
            raise UnknownContainerError(
                f'pod "{pod}" has no container "{name}"; it has: {", ".join(names)}'
            )
        return found, name

    def _attempts(self, pod_uid: str, container: str) -> list[ContainerRecord]:
        worker = self._workers.worker(pod_uid)
        records = worker.records() if worker is not None else ()
        own = [r for r in records if r.labels.get(spec.LABEL_CONTAINER) == container]
        return sorted(own, key=lambda r: int(r.labels.get(spec.LABEL_ATTEMPT, "0")))

    def _path(self, record: ContainerRecord) -> Path:
        labels = record.labels
        return self._volumes.log_path(
            labels[spec.LABEL_POD_UID],
            labels[spec.LABEL_CONTAINER],
            int(labels.get(spec.LABEL_ATTEMPT, "0")),
        )
