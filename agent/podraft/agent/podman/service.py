"""The agent's own Podman service: a child process that is restarted when it dies.

Invariant: the death of the service or of the agent affects no running container: containers
belong to their conmon, and the next service finds them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from podraft.agent.podman.core.machine import PodmanConfiguration
from podraft.agent.podman.machine import PodmanDirectories
from podraft.client.serving.private_files import write_private

_LOG = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
_STABLE_AFTER_S = 30.0
_STOP_WITHIN_S = 5.0
_START_WITHIN_S = 30.0


class PodmanStartError(Exception):
    """Podman's service is unavailable; the message says why."""


class PodmanService:
    """A ``podman system service`` that runs for as long as `run` does.

    Several agents may share a machine: each has directories of its own, which determine the
    socket, the storage and even the locks. Images are pulled through ``network_namespace``
    (None: the agent's own); containers never see it.
    """

    def __init__(
        self,
        directories: PodmanDirectories,
        configuration: PodmanConfiguration,
        ping: Callable[[], Awaitable[bool]],
        network_namespace: Path | None = None,
    ) -> None:
        self._directories = directories
        self._network_namespace = network_namespace
        self._configuration = configuration
        self._ping = ping
        self._process: asyncio.subprocess.Process | None = None
        self.answers = asyncio.Event()
        self._away = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process id of the running service, if it runs."""
        return self._process.pid if self._process else None

    async def went_away(self) -> None:
        """Wait until the service has ended; ends since the last call count too."""
        await self._away.wait()
        self._away.clear()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the service for the length of a block, which begins when it answers.

        Raises:
            PodmanStartError: The service does not answer in time, or cannot be started at all.
        """
        running = asyncio.create_task(self.run())
        try:
            await self._first_answer(running)
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _first_answer(self, running: asyncio.Task[None]) -> None:
        answering = asyncio.create_task(self.answers.wait())
        try:
            done, _ = await asyncio.wait(
                {answering, running},
                timeout=_START_WITHIN_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            answering.cancel()
        if running in done:
            error = running.exception()
            reason = "podman is not installed" if isinstance(error, FileNotFoundError) else error
            raise PodmanStartError(f"cannot start Podman's service: {reason}")
        if not done:
            log = self._directories.run / "service.log"
            raise PodmanStartError(f"Podman's service does not answer; its last words are in {log}")

    async def run(self) -> None:
        """Keep the service running until cancelled, then stop it."""
        self._write_configuration()
        pause_s = _FIRST_PAUSE_S
        try:
            while True:
                started_s = time.monotonic()
                await self._run_once()
                if time.monotonic() - started_s > _STABLE_AFTER_S:
                    pause_s = _FIRST_PAUSE_S
                _LOG.warning("podman's service ended; starting it again in %.1f s", pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        finally:
            await self._stop()

    def _write_configuration(self) -> None:
        directories = self._directories
        forget_before_boot(directories)
        for folder in (directories.configuration, directories.run, directories.working):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        files = {
            "containers.conf": self._configuration.containers,
            "storage.conf": self._configuration.storage,
            "registries.conf": self._configuration.registries,
        }
        for name, text in files.items():
            write_private(directories.configuration / name, text.encode())

    async def _run_once(self) -> None:
        directories = self._directories
        directories.socket.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "CONTAINERS_CONF": str(directories.configuration / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(directories.configuration / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(directories.configuration / "registries.conf"),
        }
        # A systemd user session's variables would make Podman look for a rootless setup.
        environment.pop("NOTIFY_SOCKET", None)
        with (directories.run / "service.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._prefix(),
                "podman",
                "system",
                "service",
                "--time=0",
                f"unix://{directories.socket}",
                cwd=directories.working,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        waiting = asyncio.create_task(self._announce())
        try:
            await self._process.wait()
        finally:
            self.answers.clear()
            self._away.set()
            waiting.cancel()

    def _prefix(self) -> list[str]:
        """Return the commands that prepare the stage for the service and then become it."""
        prefix: list[str] = []
        if self._network_namespace is not None:
            prefix += ["nsenter", f"--net={self._network_namespace}"]
        if shutil.which("setpriv"):
            # An agent that is killed takes its service along: the next agent has its own.
            prefix += ["setpriv", "--pdeathsig", "TERM"]
        return prefix

    async def _announce(self) -> None:
        pause_s = 0.01
        while not await self._ping():
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.5)
        self.answers.set()

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def forget_before_boot(directories: PodmanDirectories, boot_id: str | None = None) -> None:
    """Empty the run directory if the machine was booted since it was used last.

    Podman takes an empty run directory as the sign of a boot and then knows that its containers
    are stopped; ours is on a disk, where Podman would find yesterday's processes "running".
    """
    current = boot_id or Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    marker = directories.storage / "boot-id"
    before = marker.read_text(encoding="ascii") if marker.exists() else current
    if before != current:
        shutil.rmtree(directories.run, ignore_errors=True)
    if not marker.exists() or before != current:
        # By a rename: half a marker would look like a boot to an agent that starts after a kill.
        directories.storage.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(marker, current.encode("ascii"))
