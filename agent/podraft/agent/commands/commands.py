"""Short commands in running containers: exec probes and hooks, each run in its own way."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from podraft.agent.commands import by_podman, by_runtime
from podraft.agent.commands.results import CommandResult
from podraft.agent.podman.client import PodmanClient


class Commands:
    """A runner of short commands in running containers."""

    def __init__(self, podman: PodmanClient, runtime: str | None) -> None:
        self._podman = podman
        self._runtime = runtime

    async def probe(
        self, container_id: str, pid: int, command: Sequence[str], timeout_s: float
    ) -> CommandResult:
        """Run a command in a container whose first process is ``pid``; return how it ended.

        Raises:
            CommandTimeoutError: It took too long.
            PodmanError: Podman, where it is used, refuses.
        """
        if self._runtime is not None:
            with contextlib.suppress(FileNotFoundError):
                return await by_runtime.run(self._runtime, container_id, pid, command, timeout_s)
        return await by_podman.run(self._podman, container_id, pid, command, timeout_s, keep=False)

    async def hook(
        self, container_id: str, pid: int, command: Sequence[str], timeout_s: float
    ) -> CommandResult:
        """Do the same, but keep alive what the command leaves behind when it ends in time.

        Raises:
            CommandTimeoutError: It took too long.
            PodmanError: Podman refuses.
        """
        return await by_podman.run(self._podman, container_id, pid, command, timeout_s, keep=True)
