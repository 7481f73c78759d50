"""The guestbook as its users and its operator see it: HTTP, the CLI, and the node's Podman."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_cluster import podman_service
from local_cluster.cluster import LocalCluster
from support.waiting import eventually

_PODRAFT = Path(sys.executable).parent / "podraft"


class Load:
    """Constant HTTP load: several callers, each making one call after the other."""

    def __init__(self, url: str, callers: int = 4) -> None:
        self.answers: list[str] = []
        self.failures: list[str] = []
        self._url = url
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._call_on, daemon=True) for _ in range(callers)
        ]

    def start(self) -> None:
        """Start the callers."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop once the calls under way have their answers."""
        self._ended.set()
        for thread in self._threads:
            thread.join(30)

    def _call_on(self) -> None:
        while not self._ended.is_set():
            try:
                with urllib.request.urlopen(self._url, timeout=10) as response:
                    self.answers.append(response.read().decode())
            except OSError as error:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {error!r}")


class Guest:
    """One guestbook on one cluster."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.url = f"http://127.0.0.1:{cluster.forwards[0][0]}/"

    def podraft(
        self, *arguments: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the CLI; with ``check``, a failure shows its output."""
        result = subprocess.run(
            [str(_PODRAFT), *arguments],
            env={**os.environ, "PODRAFT_CONFIG": str(self.cluster.admin_config)},
            capture_output=True,
            text=True,
            input=stdin,
            timeout=180,
        )
        if check and result.returncode != 0:
            output = f"{result.stdout}{result.stderr}"
            raise AssertionError(f"podraft {' '.join(arguments)}: {result.returncode}\n{output}")
        return result

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects that ``podraft get … -o json`` lists."""
        document = json.loads(self.podraft("get", *arguments, "-o", "json").stdout)
        items: list[dict[str, Any]] = document.get("items", [document])
        return items

    def pods(self, app: str) -> list[dict[str, Any]]:
        """Return one tier's pods that are not being deleted."""
        pods = self.objects("pods", "-n", "guestbook", "-l", f"app={app}")
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def call(self) -> str:
        """Call the application once."""
        with urllib.request.urlopen(self.url, timeout=10) as response:
            text: str = response.read().decode()
            return text

    @contextlib.contextmanager
    def under_load(self) -> Iterator[Load]:
        """Call the application continuously for the length of a block."""
        load = Load(self.url)
        load.start()
        try:
            yield load
        finally:
            load.stop()

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return the guestbook's running containers by id, as Podman lists them.

        Waits for a Podman service that is just being restarted.
        """

        def look() -> tuple[list[dict[str, Any]]] | None:
            with contextlib.suppress(OSError):
                return (podman_service.listed(self.cluster.podman_socket),)
            return None

        (listed,) = eventually(look, within_s=30) or ([],)
        return {
            one["Id"]: one
            for one in listed
            if one["State"] == "running"
            and one["Labels"].get("io.podraft.pod.namespace") == "guestbook"
        }

    def state(self) -> str:
        """Return what an operator would look at when something does not converge."""
        pods = self.podraft("get", "pods", "-A", "-o", "wide", check=False)
        why = self.podraft("why", "-n", "guestbook", "deployment/web", check=False)
        return f"{pods.stdout}{pods.stderr}{why.stdout}{why.stderr}"

    def restart_counts(self) -> dict[str, int]:
        """Return how often each container of the guestbook was restarted, by pod."""
        return {
            pod["metadata"]["name"]: sum(
                status.get("restartCount", 0) for status in pod["status"]["containerStatuses"]
            )
            for pod in self.objects("pods", "-n", "guestbook")
        }

    def kill_process(self, name: str) -> None:
        """Send SIGKILL to the cluster's server or agent."""
        process = self.cluster.running(name)
        assert process is not None, f"{name} does not run"
        process.signal(signal.SIGKILL)
        assert process.wait(10)

    def kill_podman_service(self) -> None:
        """Send SIGKILL to the Podman service that the agent runs."""
        socket = str(self.cluster.podman_socket)
        killed = 0
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                arguments = entry.read_bytes().split(b"\0")
                if b"service" in arguments and f"unix://{socket}".encode() in arguments:
                    os.kill(int(entry.parent.name), signal.SIGKILL)
                    killed += 1
        assert killed, "no Podman service of the cluster was found"

    def nothing_is_left(self) -> None:
        """Wait until the node has no container any more."""
        eventually(
            lambda: not podman_service.listed(self.cluster.podman_socket),
            within_s=60,
            describe=lambda: [
                one["Names"] for one in podman_service.listed(self.cluster.podman_socket)
            ],
        )

    def answers_from(self, pods: int, version: str, *, within_s: float = 60.0) -> set[str]:
        """Wait until that many pods of that version, and no others, answer in turn; return them."""

        def look() -> set[str]:
            answers = [self.call() for _ in range(pods * 8)]
            names = {answer.split(",")[0].rpartition(" ")[2] for answer in answers}
            right = all(f"version {version}." in answer for answer in answers)
            return names if right and len(names) == pods else set()

        return eventually(look, within_s=within_s)
