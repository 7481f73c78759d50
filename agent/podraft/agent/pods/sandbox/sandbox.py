"""One pod's sandbox: its network, its volumes and its cgroups, from creation to release.

Invariant: a released sandbox stays released: no refresh of a volume writes below a removed folder.
"""

from __future__ import annotations

import asyncio
import logging

from podraft.agent.podman.cgroups import remove_cgroups
from podraft.agent.pods.core.pod_spec import title
from podraft.agent.pods.core.records import Failure
from podraft.agent.pods.reports import faults
from podraft.agent.pods.reports.events import PodEvents
from podraft.agent.pods.sandbox.ending import Ending
from podraft.agent.pods.sandbox.ground import Attachment, Ground
from podraft.agent.volumes.core import files
from podraft.api.core.v1 import pod_pb2

_LOG = logging.getLogger(__name__)

_CGROUP_TRIES = 200
_CGROUP_PAUSE_S = 0.05
_UNFORESEEN = "FailedCreatePodSandBox"


class Sandbox:
    """What the containers of one pod share; `attachment` is None until everything is prepared."""

    def __init__(self, ground: Ground, uid: str, events: PodEvents, ending: Ending) -> None:
        self.attachment: Attachment | None = None
        self.failure: Failure | None = None
        self.released = False
        self._ground = ground
        self._uid = uid
        self._events = events
        self._ending = ending
        self._refreshing = asyncio.Lock()

    @property
    def in_use(self) -> bool:
        """Whether the sandbox is prepared and not released."""
        return self.attachment is not None and not self.released

    def address(self, pod: pod_pb2.Pod) -> str:
        """Return the pod's address as the node sees it, or an empty string if it has none."""
        if pod.spec.host_network:
            return self._ground.node_address
        return self.attachment.address if self.attachment else pod.status.pod_ip

    async def prepare(self, pod: pod_pb2.Pod) -> None:
        """Attach the network and make the volumes; an error of the machine becomes `failure`."""
        ground = self._ground
        hostname = files.hostname(pod, ground.node_name)
        network, volumes = await asyncio.gather(
            ground.network.attach(self._uid, hostname, host_network=pod.spec.host_network),
            self._prepare_volumes(pod),
            return_exceptions=True,
        )
        failure = None
        if isinstance(volumes, BaseException):
            failure = faults.failed(self.failure, "FailedMount", str(volumes))
        if isinstance(network, BaseException):
            failure = faults.failed(self.failure, _UNFORESEEN, str(network))
        for problem in (network, volumes):
            if isinstance(problem, BaseException) and not isinstance(problem, Exception):
                raise problem
        self.failure = failure
        if failure is not None:
            self._events.sandbox_failed(failure.reason, failure.message)
        if failure is None and not isinstance(network, BaseException):
            self.attachment = network

    def failed(self, message: str) -> None:
        """Note a fault that no rule foresaw."""
        self.failure = faults.failed(self.failure, _UNFORESEEN, message)

    def configuration_changed(self) -> None:
        """Allow the next try to come at once: what was missing may exist now."""
        self.failure = None

    async def refresh(self, pod: pod_pb2.Pod) -> None:
        """Bring the volumes that show ConfigMaps and Secrets up to date while the pod lives."""
        async with self._refreshing:
            if self.released or self._ending.begun.is_set():
                return
            configuration = await self._ground.configuration.configuration(pod)
            await asyncio.to_thread(self._ground.volumes.refresh, pod, configuration)

    async def release(self, pod: pod_pb2.Pod) -> None:
        """Release network, volumes and cgroups; a pod that is not deleted keeps its logs."""
        ground = self._ground
        await ground.network.detach(self._uid)
        ending = self._ending.since_s is not None
        remove = ground.volumes.remove if ending else ground.volumes.release
        async with self._refreshing:
            await asyncio.to_thread(remove, self._uid)
            self.released = True
        await self._remove_cgroups(pod)
        ground.configuration.leave(self._uid)
        self.attachment = None

    async def remove(self) -> None:
        """Remove everything from the disk; until now an ended pod has kept its logs."""
        await asyncio.to_thread(self._ground.volumes.remove, self._uid)

    async def _prepare_volumes(self, pod: pod_pb2.Pod) -> None:
        configuration = await self._ground.configuration.configuration(pod)
        await asyncio.to_thread(self._ground.volumes.prepare, pod, configuration)

    async def _remove_cgroups(self, pod: pod_pb2.Pod) -> None:
        parent = self._ground.facts.cgroup_parent(self._uid)
        for _ in range(_CGROUP_TRIES):
            if await asyncio.to_thread(remove_cgroups, parent):
                return
            await asyncio.sleep(_CGROUP_PAUSE_S)
        _LOG.warning("pod %s: its cgroup %s stays: it is in use", title(pod), parent)
