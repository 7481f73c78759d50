"""Containers and images as Podman's inspections show them.

Owns: the translation of Podman's answers into typed records.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """A container as Podman's inspection shows it; times are seconds since the epoch, or 0."""

    id: str
    name: str
    labels: Mapping[str, str]
    state: str
    pid: int
    exit_code: int
    created_s: float
    started_s: float
    finished_s: float
    image: str
    image_id: str
    directory: PurePosixPath
    runtime: str
    oom_killed: bool
    stop_signal: str

    @property
    def running(self) -> bool:
        """Whether the container's first process lives."""
        return self.state in ("running", "paused", "stopping")

    @property
    def exited(self) -> bool:
        """Whether it ran and has ended; Podman has not cleaned up a ``stopped`` container yet."""
        return self.state in ("exited", "stopped")


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """A local image: its id, and the user and volumes of its configuration."""

    id: str
    names: tuple[str, ...]
    user: str


def container_record(answer: Mapping[str, Any]) -> ContainerRecord:
    """Return the record of a container from Podman's inspection of it."""
    state = answer["State"]
    return ContainerRecord(
        id=str(answer["Id"]),
        name=str(answer["Name"]),
        labels=dict(answer["Config"].get("Labels") or {}),
        state=str(state["Status"]),
        pid=int(state["Pid"]),
        exit_code=int(state["ExitCode"]),
        created_s=_time_s(answer["Created"]),
        started_s=_time_s(state["StartedAt"]),
        finished_s=_time_s(state["FinishedAt"]),
        image=str(answer.get("ImageName", "")),
        image_id=str(answer.get("Image", "")),
        directory=PurePosixPath(str(answer.get("OCIConfigPath") or "/")).parent,
        runtime=str(answer.get("OCIRuntime") or "runc"),
        oom_killed=bool(state.get("OOMKilled")),
        stop_signal=_signal_name(answer["Config"].get("StopSignal")),
    )


def image_record(answer: Mapping[str, Any]) -> ImageRecord:
    """Return the record of an image from Podman's inspection of it."""
    return ImageRecord(
        id=str(answer["Id"]),
        names=tuple(answer.get("RepoTags") or ()),
        user=str((answer.get("Config") or {}).get("User") or answer.get("User") or ""),
    )


def _time_s(text: str) -> float:
    """Return a time in Go's RFC 3339 format as seconds since the epoch; Go's zero time is 0."""
    if not text or text.startswith("0001-"):
        return 0.0
    head, _, fraction = text.partition(".")
    if not fraction:
        return datetime.fromisoformat(text).timestamp()
    digits = len(fraction) - len(fraction.lstrip("0123456789"))
    zone = fraction[digits:] or "Z"
    return datetime.fromisoformat(f"{head}.{fraction[:digits][:6]:0<6}{zone}").timestamp()


def _signal_name(value: object) -> str:
    """Return a signal's name; some versions of Podman give a number, others a name."""
    if isinstance(value, int) and value > 0:
        return signal.Signals(value).name if value in set(signal.Signals) else "SIGTERM"
    return value if isinstance(value, str) and value.startswith("SIG") else "SIGTERM"
