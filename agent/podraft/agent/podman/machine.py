"""What Podman needs to know of this machine, and the configuration that follows from it.

Owns: the detection of cgroups, systemd, runtimes and capabilities, and the
text of ``containers.conf``, ``storage.conf`` and ``registries.conf``.

Invariant: `detect` alone looks at the machine; everything else is a pure
function of its answer, so that machines we do not have can be tested.
"""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CAP_SYS_RESOURCE = 24
_LARGE_NOFILE = 1_048_576
# Holds the pods' cgroups where Podman itself makes them.
CGROUP_ROOT = "/podraft"


class UnusableMachineError(RuntimeError):
    """Podman cannot work on this machine; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What `detect` found; limits are the hard limits of this process."""

    cgroup_v2: bool
    systemd: bool
    crun: bool
    runc: bool
    may_raise_limits: bool
    nofile_limit: int
    nproc_limit: int
    netavark: bool = True
    oom_score_least: int = -1000

    @property
    def runtime(self) -> str:
        """The OCI runtime to use.

        crun refuses the hybrid layout of cgroup v1, so there runc comes first.

        Raises:
            UnusableMachineError: There is no runtime for these cgroups.
        """
        if self.cgroup_v2 and self.crun:
            return "crun"
        if self.runc:
            return "runc"
        wanted = "crun or runc" if self.cgroup_v2 else "runc (crun does not work on cgroup v1)"
        raise UnusableMachineError(f"no usable OCI runtime: install {wanted}")

    @property
    def cgroup_manager(self) -> str:
        """``systemd`` where it owns a unified hierarchy, else ``cgroupfs``."""
        return "systemd" if self.cgroup_v2 and self.systemd else "cgroupfs"

    def cgroup_parent(self, pod_uid: str) -> str:
        """Return the cgroup that all containers of a pod share."""
        if self.cgroup_manager == "systemd":
            return f"podraft-pod{pod_uid.replace('-', '')}.slice"
        return f"{CGROUP_ROOT}/pod-{pod_uid}"


@dataclass(frozen=True, slots=True)
class PodmanDirectories:
    """Where one agent's Podman keeps its things."""

    storage: Path
    run: Path
    image_stores: Sequence[Path] = ()

    @property
    def configuration(self) -> Path:
        """Holds the three configuration files."""
        return self.storage / "config"

    @property
    def socket(self) -> Path:
        """The service's socket."""
        return self.run / "podman.sock"

    @property
    def working(self) -> Path:
        """The service's working directory: conmon drops files into it."""
        return self.run / "service"


@dataclass(frozen=True, slots=True)
class PodmanConfiguration:
    """The text of Podman's three configuration files."""

    containers: str
    storage: str
    registries: str


def detect() -> MachineFacts:
    """Look at this machine."""
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
    """Return how little the kernel spares this process: without the right to, none gets less."""
    return int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii"))


def _nproc_limit() -> int:
    """Return the limit that Podman's service will have: it lowers its own to pid_max."""
    limit = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    pid_max = int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii"))
    return min(limit, pid_max) if limit > 0 else pid_max


def _has_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def configuration(facts: MachineFacts, directories: PodmanDirectories) -> PodmanConfiguration:
    """Return the configuration of an agent's own Podman.

    Raises:
        UnusableMachineError: There is no usable OCI runtime.
    """
    return PodmanConfiguration(
        containers=_containers_conf(facts, directories),
        storage=_storage_conf(directories),
        registries='unqualified-search-registries = ["docker.io"]\n',
    )


def _containers_conf(facts: MachineFacts, directories: PodmanDirectories) -> str:
    # exit_command_delay: otherwise each exec leaves a conmon behind for five minutes.
    # lock_type: the default is one shared memory segment for all Podmans of the machine.
    lines = [
        "[containers]",
        f"default_ulimits = {json.dumps(_ulimits(facts))}",
        'log_driver = "k8s-file"',
        'netns = "none"',
        "[engine]",
        f'runtime = "{facts.runtime}"',
        f'cgroup_manager = "{facts.cgroup_manager}"',
        'events_logger = "file"',
        "exit_command_delay = 2",
        'lock_type = "file"',
        f"tmp_dir = {json.dumps(str(directories.run / 'tmp'))}",
        f"volume_path = {json.dumps(str(directories.storage / 'volumes'))}",
    ]
    if facts.netavark:
        lines += ["[network]", 'network_backend = "netavark"']
    return "\n".join(lines) + "\n"


def _ulimits(facts: MachineFacts) -> list[str]:
    """Return limits that the runtime is able to set: raising one needs CAP_SYS_RESOURCE."""
    if facts.may_raise_limits:
        return [f"nofile={_LARGE_NOFILE}:{_LARGE_NOFILE}"]
    limits = [("nofile", facts.nofile_limit), ("nproc", facts.nproc_limit)]
    return [f"{name}={limit}:{limit}" for name, limit in limits if limit > 0]


def _storage_conf(directories: PodmanDirectories) -> str:
    stores = json.dumps([str(path) for path in directories.image_stores])
    return "\n".join(
        [
            "[storage]",
            'driver = "overlay"',
            f"graphroot = {json.dumps(str(directories.storage / 'containers'))}",
            f"runroot = {json.dumps(str(directories.run / 'containers'))}",
            "[storage.options]",
            f"additionalimagestores = {stores}",
            "",
        ]
    )
