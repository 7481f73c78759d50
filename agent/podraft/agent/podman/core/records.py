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
        """Whether its first process lives."""
        return self.state in ("running", "paused", "stopping")

    @property
    def exited(self) -> bool:
        """Whether it ran and ended: ``stopped`` is an exit that Podman has not cleaned up yet."""
        return self.state in ("exited", "stopped")


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """A local image: its id, the user and volumes of its configuration."""

    id: str
    names: tuple[str, ...]
    user: str


def container_record(answer: Mapping[str, Any]) -> ContainerRecord:
    """Return what Podman's inspection of a container says."""
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
    """Return what Podman's inspection of an image says."""
    return ImageRecord(
        id=str(answer["Id"]),
        names=tuple(answer.get("RepoTags") or ()),
        user=str((answer.get("Config") or {}).get("User") or answer.get("User") or ""),
    )


def _time_s(text: str) -> float:
    """Return Go's RFC 3339 time with up to nine decimals; its zero time is 0."""
    if not text or text.startswith("0001-"):
        return 0.0
    head, _, fraction = text.partition(".")
    if not fraction:
        return datetime.fromisoformat(text).timestamp()
    digits = len(fraction) - len(fraction.lstrip("0123456789"))
    zone = fraction[digits:] or "Z"
    return datetime.fromisoformat(f"{head}.{fraction[:digits][:6]:0<6}{zone}").timestamp()


def _signal_name(value: object) -> str:
    """Return a signal's name; versions of Podman tell a number or a name."""
    if isinstance(value, int) and value > 0:
        return signal.Signals(value).name if value in set(signal.Signals) else "SIGTERM"
    return value if isinstance(value, str) and value.startswith("SIG") else "SIGTERM"
