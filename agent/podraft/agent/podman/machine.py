"""Inspecting this machine on Podman's behalf, and the directories of an agent's Podman."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from podraft.agent.podman.core.machine import MachineFacts

_CAP_SYS_RESOURCE = 24


@dataclass(frozen=True, slots=True)
class PodmanDirectories:
    """The directories in which one agent's Podman keeps its files."""

    storage: Path
    run: Path
    image_stores: Sequence[Path] = ()

    @classmethod
    def below(cls, state_directory: Path, image_stores: Sequence[Path] = ()) -> PodmanDirectories:
        """Return the directories for an agent with the given state directory."""
        storage = state_directory / "podman"
        return cls(storage, storage / "run", image_stores)

    @property
    def configuration(self) -> Path:
        """The directory of the three configuration files."""
        return self.storage / "config"

    @property
    def socket(self) -> Path:
        """The path of the service's socket."""
        return self.run / "podman.sock"

    @property
    def working(self) -> Path:
        """The service's working directory, where conmon drops files."""
        return self.run / "service"


def detect() -> MachineFacts:
    """Return the facts about this machine."""
    may_raise_limits = _has_capability(_CAP_SYS_RESOURCE)
    return MachineFacts(
        cgroup_v2=Path("/sys/fs/cgroup/cgroup.controllers").exists(),
        systemd=Path("/run/systemd/system").is_dir(),
        crun=shutil.which("crun") is not None,
        runc=shutil.which("runc") is not None,
        may_raise_limits=may_raise_limits,
        nofile_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        nproc_limit=_nproc_limit(),
        netavark=any(
            Path(folder, "netavark").exists()
            for folder in ("/usr/lib/podman", "/usr/libexec/podman", "/usr/local/libexec/podman")
        ),
        oom_score_least=-1000 if may_raise_limits else _own_oom_score(),
    )


def _own_oom_score() -> int:
    """Return this process's OOM score adjustment, the lowest that it may set unprivileged."""
    return int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii"))


def _nproc_limit() -> int:
    """Return the limit that Podman's service will have: the service lowers its own to pid_max."""
    limit = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    pid_max = int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii"))
    return min(limit, pid_max) if limit > 0 else pid_max


def _has_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False
