"""The machine as Podman needs to know it, and the configuration that follows from it.

Owns: the choice of runtime and cgroup manager, and the text of ``containers.conf``,
``storage.conf`` and ``registries.conf``.

Invariant: everything follows from `MachineFacts`, so that machines that we do not have can be
tested.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

_LARGE_NOFILE = 1_048_576
# The parent of the pods' cgroups where Podman itself makes them.
CGROUP_ROOT = "/podraft"


class UnusableMachineError(RuntimeError):
    """Podman cannot work on this machine; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """The facts found on the machine; limits are the hard limits of this process."""

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

        crun refuses the hybrid layout of cgroup v1, so runc comes first there.

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
        """The cgroup manager: ``systemd`` where it owns a unified hierarchy, else ``cgroupfs``."""
        return "systemd" if self.cgroup_v2 and self.systemd else "cgroupfs"

    def cgroup_parent(self, pod_uid: str) -> str:
        """Return the cgroup that all containers of a pod share."""
        if self.cgroup_manager == "systemd":
            return f"podraft-pod{pod_uid.replace('-', '')}.slice"
        return f"{CGROUP_ROOT}/pod-{pod_uid}"


@dataclass(frozen=True, slots=True)
class PodmanConfiguration:
    """The text of Podman's three configuration files."""

    containers: str
    storage: str
    registries: str


def configuration(
    facts: MachineFacts, storage: PurePath, run: PurePath, image_stores: Sequence[PurePath]
) -> PodmanConfiguration:
    """Return the configuration of an agent's own Podman, which keeps its files in two directories.

    Raises:
        UnusableMachineError: There is no usable OCI runtime.
    """
    return PodmanConfiguration(
        containers=_containers_conf(facts, storage, run),
        storage=_storage_conf(storage, run, image_stores),
        registries='unqualified-search-registries = ["docker.io"]\n',
    )


def _containers_conf(facts: MachineFacts, storage: PurePath, run: PurePath) -> str:
    # exit_command_delay: otherwise each exec leaves a conmon behind for five minutes.
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
        f"tmp_dir = {json.dumps(str(run / 'tmp'))}",
        f"volume_path = {json.dumps(str(storage / 'volumes'))}",
    ]
    if facts.netavark:
        lines += ["[network]", 'network_backend = "netavark"']
    return "\n".join(lines) + "\n"


def _ulimits(facts: MachineFacts) -> list[str]:
    """Return the limits that the runtime can set: raising one needs CAP_SYS_RESOURCE."""
    if facts.may_raise_limits:
        return [f"nofile={_LARGE_NOFILE}:{_LARGE_NOFILE}"]
    limits = [("nofile", facts.nofile_limit), ("nproc", facts.nproc_limit)]
    return [f"{name}={limit}:{limit}" for name, limit in limits if limit > 0]


def _storage_conf(storage: PurePath, run: PurePath, image_stores: Sequence[PurePath]) -> str:
    stores = json.dumps([str(path) for path in image_stores])
    return "\n".join(
        [
            "[storage]",
            'driver = "overlay"',
            f"graphroot = {json.dumps(str(storage / 'containers'))}",
            f"runroot = {json.dumps(str(run / 'containers'))}",
            "[storage.options]",
            f"additionalimagestores = {stores}",
            "",
        ]
    )
