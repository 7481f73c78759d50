"""The Podman that the agent works with: its own service or one that the user runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from podraft.agent.podman import machine
from podraft.agent.podman.client import PodmanClient, PodmanError
from podraft.agent.podman.core.machine import MachineFacts, configuration
from podraft.agent.podman.machine import PodmanDirectories
from podraft.agent.podman.service import PodmanService, PodmanStartError

_VERSION_WITHIN_S = 30.0
_VERSION_RETRY_S = 0.2


@dataclass(frozen=True, slots=True)
class Engine:
    """A Podman that answers; ``service`` is None if it is not the agent's own."""

    podman: PodmanClient
    facts: MachineFacts
    service: PodmanService | None = None

    @property
    def runtime(self) -> str | None:
        """The OCI runtime that its containers run in, if it is known."""
        return self.facts.runtime if self.service else None

    async def version(self) -> str:
        """Return Podman's version; retry, as the service may have died and be back soon.

        Raises:
            PodmanStartError: The service keeps failing.
        """
        deadline_s = time.monotonic() + _VERSION_WITHIN_S
        while True:
            try:
                return await self.podman.version()
            except PodmanError as error:
                if time.monotonic() > deadline_s:
                    raise PodmanStartError(f"Podman's service fails: {error.message}") from error
                await asyncio.sleep(_VERSION_RETRY_S)


@contextlib.asynccontextmanager
async def provided(socket: Path) -> AsyncIterator[Engine]:
    """Provide a Podman whose service somebody else runs.

    Raises:
        PodmanStartError: The service does not answer.
    """
    async with PodmanClient(socket) as podman:
        if not await podman.ping():
            raise PodmanStartError(f"no Podman service answers at {socket}")
        yield Engine(podman, machine.detect())


@contextlib.asynccontextmanager
async def own(
    directories: PodmanDirectories, network_namespace: Path | None = None
) -> AsyncIterator[Engine]:
    """Run a Podman service for the length of a block; it pulls images in the given namespace.

    Raises:
        PodmanStartError: The service cannot be started.
        UnusableMachineError: Podman cannot work on this machine.
    """
    facts = machine.detect()
    texts = configuration(facts, directories.storage, directories.run, directories.image_stores)
    async with PodmanClient(directories.socket) as podman:
        service = PodmanService(directories, texts, podman.ping, network_namespace)
        async with service.running():
            yield Engine(podman, facts, service)
